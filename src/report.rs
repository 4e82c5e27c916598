//! The journal → what a period came to, for people and programs.
