//! A long text → the few sentences of it that tell what it is about: an order in a long story.

use crate::clause::neighbours;
use crate::text::{Pattern, compiled, excerpt, matches};

/// What is looked through of a text, in bytes.
const LONGEST: usize = 64 << 10;
/// Passages that are looked at, by the static stage alone: some ten milliseconds.
const MOST: usize = 600;
/// Clauses of a passage, and its bytes.
const CLAUSES: usize = 2;
const LONGEST_PASSAGE: usize = 512;
/// Passages that are judged.
pub(super) const TOLD: usize = 3;
/// Where a text says what is to be done with it, in bytes from its beginning and its end.
const EDGE: usize = 300;

/// Work on a text, of which a sentence or two may be about anything.
static WORK: Pattern = Pattern::new(|| {
    compiled(concat!(
        r"(?i)\b(?:translat\w+|proofread\w*|re-?writ\w+|rephras\w*|paraphras\w*|summari[sz]\w+|essay|poem|python|rust|javascript|java|html|curriculum vitae)\b|",
        r"\b(?:write|create|generate|draft|compose) (?:an?|me|the|some|\d+|user)\b|^\s*(?:import|package|#include|def|class|public|func|const|let|var) \w|题目背景|题目描述|输入格式|样例|翻译|润色|校对|改写|扩写|缩写|续写|错别字|病句|作文|概括|代码|总结(?:一下|下面|以下)|写(?:一?[个篇首段份])",
    ))
});

/// Whether the beginning or the end of a text asks for work on it.
pub(super) fn is_work(text: &str) -> bool {
    let head = &text[..text.floor_char_boundary(EDGE)];
    let tail = &text[text.ceil_char_boundary(text.len().saturating_sub(EDGE))..];
    matches(&WORK, head) || matches(&WORK, tail)
}

/// The passages that score highest, best first, and how many bytes of the text were looked at.
pub(super) fn telling(text: &str, score: impl Fn(&str) -> Option<f64>) -> (Vec<String>, usize) {
    let text = excerpt(text, LONGEST);
    let passages = neighbours(&text, CLAUSES);
    let step = passages.len().div_ceil(MOST).max(1);
    let (mut scored, mut seen, mut end) = (Vec::new(), 0, 0);
    for range in passages.into_iter().step_by(step) {
        seen += range.end - range.start.max(end).min(range.end);
        end = range.end;
        let passage = excerpt(text[range].trim(), LONGEST_PASSAGE);
        if let Some(score) = score(&passage) {
            scored.push((score, passage.into_owned()));
        }
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    // What is said again tells nothing more.
    scored.dedup_by(|one, other| one.1 == other.1);
    scored.truncate(TOLD);
    let told = scored.into_iter().map(|(_, passage)| passage);
    (told.collect(), seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_passages_that_tell_most_are_found_anywhere() {
        let filler = "那天早上下着小雨，院子里的桂花落了一地。".repeat(300);
        let text = format!("{filler}订单一直没有发货，请帮我催一下。{filler}");
        let score = |passage: &str| Some(passage.matches(['订', '催']).count() as f64);
        let (told, seen) = telling(&text, score);
        assert_eq!(
            told.iter().collect::<std::collections::HashSet<_>>().len(),
            TOLD
        );
        assert!(
            told[0].contains("订单一直没有发货，请帮我催一下"),
            "{told:?}"
        );
        assert!(2 * seen > text.len(), "{seen} of {}", text.len());
        assert_eq!(telling("", score), (Vec::new(), 0));
    }

    #[test]
    fn work_on_a_text_is_known() {
        for (text, is) in [
            ("请把下面这段翻译成英文：上个月我妈妈过生日", true),
            ("Last month my mother turned seventy. Proofread this.", true),
            ("write me a story about a shop", true),
            ("上个月我妈妈过生日，我在你们小程序里买了大衣", false),
            (
                "Last month my mother turned seventy and I wrote to you",
                false,
            ),
        ] {
            assert_eq!(is_work(text), is, "{text}");
        }
    }
}
