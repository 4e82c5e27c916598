//! A page that needs nothing but a browser: no script, no address, light and dark.
//!
//! [`maud`] escapes every text that is put into a page; only the pictures of [`charts`], whose texts the program
//! writes itself, and the style sheet are taken as they are.

pub mod charts;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::language::Language;

/// Nothing is fetched and nothing runs, whatever a question says.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
const STYLE: &str = include_str!("page.css");

/// The page of a title and of what it is about, in the operator's language.
pub fn page(title: &str, about: &str, body: &Markup) -> String {
    let language = match Language::of_environment() {
        Language::Zh => "zh",
        Language::En => "en",
    };
    let page = html! {
        (DOCTYPE)
        html lang=(language) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) " · " (about) }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                h1 { (title) }
                (body)
            } }
        }
    };
    page.into_string()
}
