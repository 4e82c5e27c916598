//! Fields with labels, and the logs of chats: one piece of text behind each label.

use super::labels::{Label, sureness};
use super::pieces::{LONGEST_NAME, Piece, pieces};
use super::{Part, Wrapping, fields, has_words, instructions, unquoted};

/// Lines of a block that are looked at for fields.
const MOST_OF_BLOCK: usize = 16;

pub(super) fn unwrap(text: &str) -> Option<Part<'_>> {
    let pieces = pieces(text);
    question(&pieces)
        .map(|words| Part::new(Wrapping::Labels, words))
        .or_else(|| log(&pieces))
        .or_else(|| log_to_complete(&pieces))
        .or_else(|| log_of_names(&pieces))
}

/// What stands behind the last label that names the customer's question.
pub(super) fn labelled(text: &str) -> Option<String> {
    question(&pieces(text))
}

/// What stands behind the last label that names the customer's question; one that says whose it is comes first.
fn question(pieces: &[Piece<'_>]) -> Option<String> {
    let sure = |piece: &Piece<'_>| {
        piece
            .name
            .map(sureness)
            .filter(|_| piece.label == Label::Question)
    };
    let mut asked: Vec<_> = pieces
        .iter()
        .enumerate()
        .filter_map(|(at, piece)| Some((sure(piece)?, at)))
        .collect();
    asked.sort_unstable();
    let asked = || asked.iter().rev();
    let open = asked().filter(|(_, at)| !is_answered(pieces, *at));
    let answered = asked().filter(|(_, at)| !is_input(pieces[*at].name));
    open.chain(answered).find_map(|(_, at)| {
        let at = *at;
        let words = content(pieces, at);
        has_words(&words).then_some(words)
    })
}

/// Whether a label names an input, which has an output in the examples of exercises.
fn is_input(name: Option<&str>) -> bool {
    let name = name.unwrap_or_default().trim().to_lowercase();
    ["输入", "輸入", "input"].iter().any(|input| name == *input)
}

/// Whether an answer stands behind a question, as in an example.
fn is_answered(pieces: &[Piece<'_>], at: usize) -> bool {
    let mut behind = pieces[at + 1..]
        .iter()
        .filter(|piece| piece.label != Label::Other);
    let answer = behind.next().filter(|piece| piece.label == Label::Answer);
    answer.is_some_and(|answer| has_words(answer.rest))
}

/// The last that a customer says in a log, and what was said before it.
fn log(pieces: &[Piece<'_>]) -> Option<Part<'static>> {
    let says = |who| move |(_, piece): &(usize, &Piece<'_>)| piece.label == who;
    let spoken = || pieces.iter().enumerate().rev();
    let customer = |(at, _): (usize, &Piece<'_>)| {
        let words = content(pieces, at);
        has_words(&words).then_some((at, words))
    };
    let mut customers = spoken().filter(says(Label::Customer)).filter_map(customer);
    let (at, words) = customers.next()?;
    let before = customers.next().map(|(_, words)| words);
    let agents = spoken().filter(says(Label::Agent));
    let mut agents = agents.filter(|(agent, _)| *agent < at);
    let said =
        agents.find_map(|(agent, _)| Some(content(pieces, agent)).filter(|said| !said.is_empty()));
    let agents = pieces.iter().any(|piece| piece.label == Label::Agent);
    // One field among others says who the customer is.
    let field = pieces[at + 1..]
        .iter()
        .any(|piece| piece.name.is_some() && piece.label == Label::Other && !piece.heading);
    (agents || pieces.len() == 1 || at > 0 && !field).then_some(Part {
        before,
        said,
        ..Part::new(Wrapping::Log, words)
    })
}

/// The last that is said in a log of names, by one who is no agent: times or an agent tell that it is one.
fn log_of_names(pieces: &[Piece<'_>]) -> Option<Part<'static>> {
    let is_name = |piece: &Piece<'_>| match piece.label {
        Label::Other => piece.name.is_some_and(is_of_person) && (!piece.heading || piece.stamped),
        label => label == Label::Agent,
    };
    let named: Vec<_> = pieces
        .iter()
        .enumerate()
        .filter(|(_, piece)| is_name(piece))
        .collect();
    let stamped = named.iter().filter(|(_, piece)| piece.stamped).count();
    let agents = named
        .iter()
        .filter(|(_, piece)| piece.label == Label::Agent)
        .count();
    let others = named.len() - agents;
    if others == 0 || stamped == 0 && agents == 0 {
        return None;
    }
    let mut spoken = named
        .iter()
        .rev()
        .filter(|(_, piece)| piece.label == Label::Other);
    let said = |at| content(pieces, at);
    let (at, words) = spoken.find_map(|(at, _)| {
        let words = said(*at);
        has_words(&words).then_some((*at, words))
    })?;
    let before = spoken.next().map(|(at, _)| said(*at));
    let agent = named
        .iter()
        .rev()
        .find(|(other, piece)| *other < at && piece.label == Label::Agent);
    Some(Part {
        before,
        said: agent.map(|(at, _)| said(*at)),
        ..Part::new(Wrapping::Log, words)
    })
}

/// A log that ends with the name of who is to answer.
fn log_to_complete(pieces: &[Piece<'_>]) -> Option<Part<'static>> {
    let named = |piece: &&Piece<'_>| piece.name.is_some_and(|name| name.len() <= LONGEST_NAME);
    let spoken = pieces.iter().enumerate().filter(|(_, piece)| named(piece));
    let spoken: Vec<_> = spoken.collect();
    let (last, answerer) = spoken.last()?;
    let again = |name| {
        spoken
            .iter()
            .filter(|(_, piece)| piece.name == name)
            .count()
    };
    let to_complete = *last + 1 == pieces.len() && !has_words(answerer.rest);
    if !to_complete || again(answerer.name) < 2 {
        return None;
    }
    let mut others = spoken
        .iter()
        .rev()
        .filter(|(_, piece)| piece.name != answerer.name);
    let words = content(pieces, others.next()?.0);
    let before = others.next().map(|(at, _)| content(pieces, *at));
    has_words(&words).then(|| Part {
        before,
        ..Part::new(Wrapping::Log, words)
    })
}

/// Whether a label may be the name of somebody who speaks, and is none of a field.
fn is_of_person(name: &str) -> bool {
    const FIELDS: [&str; 16] = [
        "号", "编", "额", "址", "话", "单", "间", "量", "order", "number", "no.", "id", "date",
        "time", "address", "phone",
    ];
    let name = name.to_lowercase();
    name.len() <= LONGEST_NAME && !FIELDS.iter().any(|field| name.contains(field))
}

/// What belongs to the label of one piece: up to the next that begins something of its own.
fn content(pieces: &[Piece<'_>], at: usize) -> String {
    let first = &pieces[at];
    let named_field = |piece: Option<&Piece<'_>>| piece.is_some_and(|piece| piece.name.is_some());
    let among_fields = named_field(at.checked_sub(1).and_then(|at| pieces.get(at)));
    let mut content = first.rest.to_owned();
    for (next, piece) in pieces.iter().enumerate().skip(at + 1) {
        if piece.line.is_empty()
            && instructions::follow(pieces[next..].iter().map(|piece| piece.line))
        {
            break;
        }
        let says = has_words(&content);
        let own = match piece.label {
            Label::Other if piece.rule => says,
            Label::Other => {
                let field = piece.name.is_some() && (among_fields || first.stamped);
                let to_fill = piece.name.is_some() && !has_words(piece.rest);
                piece.heading
                    || piece.stamped
                    || says && to_fill
                    || says && (field || first.numbered && piece.numbered)
            }
            _ => piece.name.is_some(),
        };
        let bracketed = piece.line.starts_with(['[', '(', '（', '【']);
        let fields = says
            && (bracketed || piece.name.is_some())
            && fields::is_profile(&block(&pieces[next..]));
        if own || fields {
            break;
        }
        if !piece.rule {
            content.push('\n');
            content.push_str(piece.line);
        }
    }
    unquoted(&content).to_owned()
}

/// The lines up to the next empty one.
fn block(pieces: &[Piece<'_>]) -> String {
    let lines = pieces.iter().map(|piece| piece.line);
    lines
        .take_while(|line| !line.is_empty())
        .take(MOST_OF_BLOCK)
        .collect::<Vec<_>>()
        .join("\n")
}
