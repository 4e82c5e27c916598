//! Which languages are written in which script.

use unicode_script::Script;

use super::code::Code;

/// The languages of a script. What is in none of them is written in Latin letters.
const SCRIPTS: [(Script, &str); 26] = [
    (Script::Han, "zh ja"),
    (Script::Hiragana, "ja"),
    (Script::Hangul, "ko"),
    (Script::Thai, "th"),
    (Script::Hebrew, "he yi"),
    (Script::Greek, "el"),
    (
        Script::Cyrillic,
        "ru uk be bg sr mk kk ky mn tg tt ba cv ce os ab av cu kv",
    ),
    (Script::Arabic, "ar fa ur ps sd ug ku ks"),
    (Script::Devanagari, "hi mr ne sa"),
    (Script::Bengali, "bn as"),
    (Script::Gurmukhi, "pa"),
    (Script::Gujarati, "gu"),
    (Script::Oriya, "or"),
    (Script::Tamil, "ta"),
    (Script::Telugu, "te"),
    (Script::Kannada, "kn"),
    (Script::Malayalam, "ml"),
    (Script::Sinhala, "si"),
    (Script::Georgian, "ka"),
    (Script::Armenian, "hy"),
    (Script::Khmer, "km"),
    (Script::Lao, "lo"),
    (Script::Myanmar, "my"),
    (Script::Ethiopic, "am ti"),
    (Script::Tibetan, "bo dz"),
    (Script::Thaana, "dv"),
];

/// Languages of [`SCRIPTS`] that are written in Latin letters as well.
const LATIN_TOO: &str = "sr ku";

/// Whether a language is written in a script.
pub(super) fn writes(code: Code, script: Script) -> bool {
    let has = |codes: &str| codes.split(' ').any(|one| one == code.as_str());
    match script {
        Script::Latin => has(LATIN_TOO) || !SCRIPTS.iter().any(|(_, codes)| has(codes)),
        _ => SCRIPTS
            .iter()
            .any(|(of, codes)| *of == script && has(codes)),
    }
}
