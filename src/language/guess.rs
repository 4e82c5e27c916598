//! The language of a text among several that share its script: by common words, by letters that a language does not
//! have, and by the trigrams of [`whatlang`] where these leave it open. Languages that are not offered are looked at
//! as well, so that a Spanish text is none in French for want of another.

use std::collections::BTreeSet;

use unicode_script::{Script, UnicodeScript};
use whatlang::{Detector, Lang};

use super::code::Code;
use super::script::writes;

/// Words that are looked at.
const MOST_WORDS: usize = 60;

/// What whatlang is less sure of stays open. Of rows that it was measured on, a higher bound costs more of the other
/// languages than it saves of English.
const LEAST_CONFIDENCE: f64 = 0.2;

/// Votes that are this near are even.
const EVEN: f64 = 0.01;

/// A text is in a language that is not offered where that knows so many more of its words than those that are.
const CLEARLY: f64 = 1.0;

/// Languages that share most of their words: neither speaks against the other.
const ALIKE: [[&str; 2]; 2] = [["id", "ms"], ["da", "no"]];

/// What is known of a language besides its common words: its letters, in Latin script those beyond ASCII; and what
/// customers open and close with, which lists of common words lack.
struct Habits {
    code: &'static str,
    letters: &'static str,
    words: &'static str,
}

/// A row of the table.
const fn habits(code: &'static str, letters: &'static str, words: &'static str) -> Habits {
    Habits {
        code,
        letters,
        words,
    }
}

const HABITS: [Habits; 27] = [
    habits(
        "en",
        "",
        "hello hi hey thanks thank bye please good morning refund order delivery shipping size agent human parcel tracking",
    ),
    habits(
        "es",
        "áéíñóúü",
        "hola gracias buenas buenos adiós pedido paquete devolver envío factura talla cuánto",
    ),
    habits(
        "fr",
        "àâæçéèêëîïôœùûüÿ",
        "bonjour bonsoir salut merci commande colis facture remboursement livraison taille",
    ),
    habits(
        "de",
        "äöüß",
        "hallo guten tag moin danke bitte tschüss bestellung paket rechnung lieferung größe",
    ),
    habits(
        "pt",
        "áâãàçéêíóôõú",
        "olá oi obrigado obrigada bom boa pedido encomenda frete entrega tamanho",
    ),
    habits(
        "it",
        "àèéìíîòóùú",
        "ciao buongiorno buonasera salve grazie ordine pacco spedizione reso taglia",
    ),
    habits(
        "nl",
        "éèëïóöü",
        "hallo hoi dag goedemorgen bedankt dank bestelling pakket verzending maat",
    ),
    habits(
        "pl",
        "ąćęłńóśźż",
        "cześć dzień dobry dziękuję dzięki zamówienie paczka zwrot",
    ),
    habits(
        "tr",
        "çğıöşüâîû",
        "merhaba selam teşekkürler teşekkür sağol sipariş siparişim kargo iade",
    ),
    habits(
        "vi",
        "ăâđêôơưáàảãạấầẩẫậắằẳẵặéèẻẽẹếềểễệíìỉĩịóòỏõọốồổỗộớờởỡợúùủũụứừửữựýỳỷỹỵ",
        "xin chào cảm ơn alo đơn hàng",
    ),
    habits(
        "id",
        "",
        "halo terima kasih makasih selamat pesanan barang kirim ongkir",
    ),
    habits(
        "ms",
        "",
        "helo terima kasih selamat pesanan barang penghantaran",
    ),
    habits("sv", "åäöé", "hej tack beställning paket"),
    habits("da", "æøåé", "hej tak bestilling pakke"),
    habits("no", "æøåé", "hei takk bestilling pakke"),
    habits("fi", "äöå", "hei moi kiitos tilaus paketti"),
    habits(
        "cs",
        "áčďéěíňóřšťúůýž",
        "ahoj dobrý den děkuji díky objednávka balík",
    ),
    habits(
        "ro",
        "ăâîșțşţ",
        "bună salut mulțumesc multumesc comanda coletul",
    ),
    habits("hu", "áéíóöőúüű", "szia helló köszönöm rendelés csomag"),
    habits(
        "ru",
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        "привет здравствуйте спасибо добрый день заказ посылка товар вернуть",
    ),
    habits(
        "uk",
        "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
        "привіт вітаю дякую добрий день замовлення посилка товар повернути",
    ),
    habits(
        "be",
        "абвгдеёжзійклмнопрстуўфхцчшыьэюя",
        "вітаю прывітанне дзякуй заказ",
    ),
    habits(
        "bg",
        "абвгдежзийклмнопрстуфхцчшщъьюя",
        "здравейте здрасти благодаря мерси поръчка пратка",
    ),
    habits(
        "sr",
        "абвгдђежзијклљмнњопрстћуфхцчџшžšđčć",
        "здраво хвала поруџбина zdravo hvala porudžbina",
    ),
    habits(
        "ar",
        "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىي",
        "مرحبا السلام عليكم شكرا طلب طلبي الشحنة",
    ),
    habits(
        "fa",
        "آابپتثجچحخدذرزژسشصضطظعغفقکگلمنوهیئأؤء",
        "سلام ممنون مرسی سفارش بسته",
    ),
    habits(
        "ur",
        "اآبپتٹثجچحخدڈذرڑزژسشصضطظعغفقکگلمنںوہھءیےئؤأ",
        "سلام شکریہ آرڈر پارسل",
    ),
];

/// The language of a text in a script among candidates, of which there is one at least: English where it is another's,
/// and none where they are even.
pub(super) fn guess(text: &str, script: Script, candidates: &[Code]) -> Option<Code> {
    let text = Words::of(text, script);
    if let [only] = candidates {
        let foreign = script != Script::Latin && text.foreign(*only) > 0;
        return Some(if foreign { Code::EN } else { *only });
    }
    let known: Vec<f64> = candidates.iter().map(|code| text.known(*code)).collect();
    let most = greatest(known.iter().copied());
    let others = HABITS.iter().filter_map(|habits| Code::new(habits.code));
    let others = others.filter(|code| {
        let offered = candidates
            .iter()
            .any(|own| own == code || are_alike(*own, *code));
        !offered && writes(*code, script)
    });
    if greatest(others.map(|code| text.known(code))) >= most + CLEARLY {
        return Some(Code::EN);
    }
    let votes = text.votes(candidates);
    let most = greatest(votes.iter().copied());
    let even = candidates.iter().zip(votes);
    let mut even = even
        .filter(|(_, vote)| *vote > most - EVEN)
        .map(|(code, _)| *code);
    match (even.next()?, even.next()) {
        (only, None) => Some(only),
        (one, Some(other)) => {
            let all = [one, other].into_iter().chain(even);
            by_trigrams(&text.words.join(" "), all)
        }
    }
}

fn are_alike(one: Code, other: Code) -> bool {
    let both = [one.as_str(), other.as_str()];
    ALIKE
        .iter()
        .any(|alike| both.iter().all(|code| alike.contains(code)))
}

fn greatest(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.fold(f64::NEG_INFINITY, f64::max)
}

/// A text's words in one script.
struct Words {
    /// In lower case.
    words: Vec<String>,
    /// Its letters, each once, but those that every Latin language has.
    letters: BTreeSet<char>,
}

impl Words {
    fn of(text: &str, script: Script) -> Self {
        let is_part = |c: char| c.script() == script || c.script() == Script::Inherited;
        let words = text.split(|c| !is_part(c)).filter(|word| !word.is_empty());
        let words: Vec<_> = words.take(MOST_WORDS).map(str::to_lowercase).collect();
        let letters = words.iter().flat_map(|word| word.chars());
        let beyond = |c: &char| c.is_alphabetic() && !c.is_ascii() && c.script() == script;
        Words {
            letters: letters.filter(beyond).collect(),
            words,
        }
    }

    /// How many words a language has, less the letters that it does not have.
    fn known(&self, code: Code) -> f64 {
        let known = self.words.iter().filter(|word| knows(code, word)).count();
        known as f64 - f64::from(self.foreign(code))
    }

    /// The same for each of several, a word that more of them have counting less.
    fn votes(&self, candidates: &[Code]) -> Vec<f64> {
        let foreign = candidates
            .iter()
            .map(|code| -f64::from(self.foreign(*code)));
        let mut votes: Vec<f64> = foreign.collect();
        for word in &self.words {
            let knowing: Vec<bool> = candidates.iter().map(|code| knows(*code, word)).collect();
            let share = 1.0 / knowing.iter().filter(|knows| **knows).count().max(1) as f64;
            let own = votes.iter_mut().zip(knowing).filter(|(_, knows)| *knows);
            own.for_each(|(vote, _)| *vote += share);
        }
        votes
    }

    /// How many letters a language does not have; none where its letters are not known.
    fn foreign(&self, code: Code) -> u32 {
        let own = of(code).map(|habits| habits.letters);
        let foreign = own.map(|own| self.letters.iter().filter(|c| !own.contains(**c)).count());
        foreign.map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX))
    }
}

fn by_trigrams(text: &str, even: impl Iterator<Item = Code>) -> Option<Code> {
    let known: Vec<_> = even.filter_map(|code| Some((code, lang(code)?))).collect();
    let detector = Detector::with_allowlist(known.iter().map(|(_, lang)| *lang).collect());
    let told = detector.detect(text)?;
    let sure = told.confidence() >= LEAST_CONFIDENCE;
    let found = known.into_iter().find(|(_, lang)| *lang == told.lang());
    found.map(|(code, _)| code).filter(|_| sure)
}

/// As whatlang calls it; none where it does not know the language.
fn lang(code: Code) -> Option<Lang> {
    match code.as_str() {
        "fa" => Some(Lang::Pes),
        "no" => Some(Lang::Nob),
        _ => Lang::from_code(code.long()?),
    }
}

fn knows(code: Code, word: &str) -> bool {
    let common = stop_words::lookup(code.as_str()).unwrap_or_default();
    let own = of(code).map_or("", |habits| habits.words);
    common.binary_search(&word).is_ok() || own.split(' ').any(|own| own == word)
}

fn of(code: Code) -> Option<&'static Habits> {
    HABITS.iter().find(|habits| habits.code == code.as_str())
}
