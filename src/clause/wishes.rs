//! Whether a clause asks for something, or only states it.

/// Begin a question or a request in English.
const BEGINNINGS: &str = " what whats what's which who whom whose why how hows how's when whens when's where wheres where's can could do does did is \
    are am was were will would wont won't shall should may might have has had any please pls plz let tell show check give send \
    get help i i'd id i'm im i've ive i'll we we'd we're we've my our return refund cancel change exchange track replace \
    don't dont doesn't doesnt didn't isn't isnt aren't can't cant couldn't want need looking wondering ";
/// Stand before them and say nothing.
const BEFORE: &str = " and also then but so or plus ps btw by the way ok okay well oh hi hello hey anyway finally first second third \
    secondly lastly next now actually just a b c d if not because before ";
/// English has one of them in nearly every clause.
const ENGLISH: &str = " the a an of to in is it that this for and on with as are be by at from or not you your will must should ";

/// Whether a clause asks, wants or speaks for the customer, or may: what is not English cannot be told here, and may.
pub fn asks(clause: &str) -> bool {
    if !clause.is_ascii() {
        return true;
    }
    let clause = clause.to_ascii_lowercase();
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '\'';
    let words = clause.split(|c: char| !is_letter(c));
    let mut words = words.filter(|word| !word.is_empty());
    if !words.clone().any(|word| holds(ENGLISH, word)) {
        return true;
    }
    let begins = words.find(|word| !holds(BEFORE, word) || holds(BEGINNINGS, word));
    begins.is_none_or(|word| holds(BEGINNINGS, word))
}

/// Whether a list of words between spaces holds one.
fn holds(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|one| one == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_requests_ask_and_statements_do_not() {
        for (clause, expected) in [
            ("then let me know if gift wrap is available", true),
            ("and does the granola you sell contain nuts", true),
            ("where is the parcel", true),
            ("b) how to close the account", true),
            ("ps could you send it to the office", true),
            ("i need an exchange for the medium", true),
            ("refund status", true),
            ("wo ist mein paket", true),
            ("我要退货", true),
            ("include that it doesn't cost them anything extra", false),
            ("the deck must have exactly 40 cards", false),
            ("store it in the database", false),
            ("customers will be able to track the order", false),
            ("be mindful that some warehouses are stricter", false),
            ("", true),
        ] {
            assert_eq!(asks(clause), expected, "{clause}");
        }
    }
}
