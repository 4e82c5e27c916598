//! Faces drawn with characters: `(╯°□°)╯`, `T_T`, `[流泪]`.

use super::characters::{Kind, kind};

/// Drawn faces that need no brackets, of a text in lower case.
const DRAWN: [&str; 27] = [
    ":-)", ":-(", ":)", ":(", ";-)", ";)", "=)", "=(", "^_^", "^-^", "^o^", "^^", ">_<", ">﹏<",
    "-_-", "=_=", "t_t", "q_q", "o_o", "0_0", "u_u", ";_;", "qaq", "qwq", "tat", "orz", "otz",
];

/// Names that chat programs put in brackets for a picture. Those that a shop sells or sends are left out.
const NAMED: &str = "微笑 撇嘴 发呆 得意 流泪 害羞 闭嘴 大哭 尴尬 发怒 调皮 呲牙 惊讶 难过 抓狂 偷笑 愉快 白眼 傲慢 惊恐 \
    憨笑 悠闲 咒骂 疑问 嘘 晕 衰 骷髅 敲打 再见 擦汗 抠鼻 鼓掌 坏笑 右哼哼 左哼哼 哼 鄙视 委屈 快哭了 阴险 亲亲 可怜 笑脸 \
    生病 脸红 破涕为笑 恐惧 失望 无语 嘿哈 捂脸 奸笑 机智 皱眉 耶 吃瓜 加油 汗 天啊 社会社会 旺柴 好的 打脸 哇 翻白眼 \
    让我看看 叹气 苦涩 裂开 嘴唇 爱心 心碎 拥抱 强 弱 握手 胜利 抱拳 勾引 拳头 合十 玫瑰 凋谢 菜刀 炸弹 便便 庆祝 烟花 爆竹 \
    猪头 跳跳 发抖 转圈 爱你 飞吻 色 困 囧 吐 睡 怒 泪 笑哭 允悲 doge 二哈 摊手 抱抱 赞 鲜花 蹭蹭 心 可爱 开心 生气 伤心 \
    哭 笑 大笑 冷汗 流汗 激动 疑惑 酷 鬼脸 谢谢";

/// Letters that stand at a face's side as arms.
const ARMS: &str = "و٩۶งวლノヾヽヘシづつっゞψo";

/// Characters of the widest face between brackets.
const WIDEST: usize = 16;

/// The text with a blank in place of every face.
pub(super) fn without(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        if let Some(length) = bracketed(&chars[at..]) {
            let before = chars[..at].iter().rev().copied();
            if has_arm(before) {
                kept.pop();
            }
            at += length;
            at += usize::from(has_arm(chars[at..].iter().copied()));
            kept.push(' ');
        } else if let Some(length) = named(&chars[at..]).or_else(|| drawn(&chars, at)) {
            at += length;
            kept.push(' ');
        } else {
            kept.push(chars[at]);
            at += 1;
        }
    }
    kept
}

/// The length of `(…)` that is a face: marks alone, or ornaments with a few letters of any script.
fn bracketed(rest: &[char]) -> Option<usize> {
    if rest.first() != Some(&'(') {
        return None;
    }
    let end = rest.iter().take(WIDEST + 2).position(|c| *c == ')')?;
    let (mut letters, mut ornaments, mut open) = (0, 0, 0);
    for c in &rest[1..end] {
        match kind(*c) {
            Kind::Han if !"益口皿罒".contains(*c) => return None,
            Kind::Han | Kind::Letter => letters += 1,
            Kind::Blank if *c != ' ' => ornaments += 1,
            _ => open += usize::from(*c == '('),
        }
    }
    let behind = rest[end + 1..].iter().take(open);
    let closing = behind.take_while(|c| **c == ')').count();
    (letters == 0 || letters <= 3 && ornaments > 0).then_some(end + 1 + closing)
}

/// Whether what stands at a face's side, the nearest first, begins with an arm; a Latin letter is one where it
/// stands alone.
fn has_arm(mut beside: impl Iterator<Item = char>) -> bool {
    beside.next().is_some_and(|c| {
        let alone = !c.is_ascii() || !beside.next().is_some_and(|c| c.is_ascii_alphanumeric());
        ARMS.contains(c) && alone
    })
}

/// The length of `[流泪]`, or of `#e-s21` as JD's own chat writes it.
fn named(rest: &[char]) -> Option<usize> {
    match rest {
        ['[', inside @ ..] => {
            let end = inside.iter().take(5).position(|c| *c == ']')?;
            let name: String = inside[..end].iter().collect();
            NAMED
                .split(' ')
                .any(|known| known == name)
                .then_some(end + 2)
        }
        ['#', 'e', '-', letter, digits @ ..] if letter.is_ascii_lowercase() => {
            let digits = digits.iter().take_while(|c| c.is_ascii_digit()).count();
            (1..=3).contains(&digits).then_some(4 + digits)
        }
        _ => None,
    }
}

/// The length of one of [`DRAWN`] that is no part of a longer word.
fn drawn(chars: &[char], at: usize) -> Option<usize> {
    let in_word = |c: Option<&char>| c.is_some_and(char::is_ascii_alphanumeric);
    if in_word(at.checked_sub(1).and_then(|before| chars.get(before))) {
        return None;
    }
    DRAWN.iter().find_map(|face| {
        let mut rest = chars[at..].iter();
        let fits = face.chars().all(|c| rest.next() == Some(&c));
        (fits && !in_word(rest.as_slice().first())).then_some(chars.len() - at - rest.len())
    })
}

#[cfg(test)]
mod tests {
    use super::super::characters::plain;
    use super::*;

    #[test]
    fn faces_go() {
        for face in [
            "(╯°□°)╯",
            "(๑•̀ㅂ•́)و✧",
            "(｡•́︿•̀｡)",
            "(^_^)",
            "(o゜▽゜)o☆",
            "t_t",
            "qaq",
            "orz",
            ">_<",
            ":-(",
            "[流泪]",
            "[玫瑰]",
            "#e-s21",
        ] {
            let left = without(&plain(&format!("退款吗{face}")));
            assert!(left.starts_with("退款吗 "), "{left}");
            let rest = left.trim_start_matches("退款吗").chars();
            assert_eq!(
                rest.filter(|c| kind(*c) != Kind::Blank).count(),
                0,
                "{left}"
            );
        }
    }

    #[test]
    fn what_only_looks_like_one_stays() {
        for text in [
            "价格(含税)",
            "f(x)",
            "(1)",
            "(急)",
            "65寸(不带底座)",
            "[退款]怎么弄",
            "size:(m)",
            "tattoo",
            "status",
            "#55821",
            "(",
            "[",
            "[[[",
            "((((",
            "#e-",
            "hello(world)",
            "배송(언제)",
        ] {
            assert_eq!(without(text), text);
        }
    }
}
