//! What is told of texts, as customers type them.

use std::fs;
use std::time::{Duration, Instant};

use super::*;

#[test]
fn operators_have_two_languages() {
    for (text, language) in [
        ("where is my order", Language::En),
        ("iPhone 有货吗", Language::Zh),
        ("ＡＢＣ １２３", Language::En),
        ("I bought the 茅台 gift box", Language::En),
        ("😀", Language::En),
        ("", Language::En),
    ] {
        assert_eq!(Language::of_text(text), language, "{text}");
    }
}

#[test]
fn a_phrase_survives_the_way_through_an_error() {
    let phrase = Phrase::new("中", "en");
    let error: toml::de::Error = phrase.clone().into_error();
    assert_eq!(Phrase::from_message(error.message()), phrase);
    assert_eq!(Phrase::from_message("plain"), Phrase::same("plain"));
}

/// Those that the shipped replies are written in.
const SHIPPED: &str = "zh en ja ko es fr de pt ru ar th vi id";
/// With others that share their scripts.
const MANY: &str = "zh en ja ko es fr de pt ru ar th vi id it nl pl tr sv uk bg fa he el hi mr ka";

fn offered(codes: &str) -> Vec<Code> {
    codes
        .split(' ')
        .map(|code| Code::new(code).unwrap())
        .collect()
}

fn told(text: &str, codes: &str) -> &'static str {
    tell(text, &offered(codes)).map_or("-", Code::as_str)
}

/// The language, and texts in it.
const TEXTS: [(&str, &str); 26] = [
    (
        "zh",
        "你好|在吗|iPhone 有货吗|KFC 券 怎么用|nike air max 有吗|我要退款|谢谢啦，thank you|訂單怎麼還沒發貨|app里找不到开发票的入口\
        |iPhone 15 Pro Max 256GB Deep Purple 有货吗|买了鲜の每日还没到货|能不能 cancel 一下 order|https://item.example.com/where-is-my-order 这个有吗\
        |hello 在吗|订单号: SF1234567890|好的，OK👌|尺码：XL|收货人: John|亲 thanks了哈|老板：在吗",
    ),
    (
        "en",
        "where is my order|hello|thanks|I bought the 茅台 gift box, where is my order|小王: hello|小王：where is my parcel|what does 有货 mean\
        |how to say 谢谢|do you have ポケモン cards in stock|WHERE IS MY ORDER|my item arrived broken|tell me a joke|write a poem about spring\
        |i want a refund 😡😡|ｗｈｅｒｅ　ｉｓ　ｍｙ　ｏｒｄｅｒ|hello Иван, where is my parcel|is the café table in stock",
    ),
    (
        "ja",
        "注文した商品はどこですか|返品したいです|こんにちは|ありがとうございます|iPhoneの在庫はありますか|キャンセルできますか|返品の方法|送料いくら？",
    ),
    (
        "ko",
        "제 주문 어디에 있나요|환불해 주세요|안녕하세요|감사합니다|iPhone 재고 있어요?|사람과 상담하고 싶어요|北京 배송 되나요",
    ),
    (
        "es",
        "quiero devolver esto|hola|gracias|¿dónde está mi pedido?|donde esta mi paquete|cuanto cuesta el envío|hablar con una persona|buenos días",
    ),
    (
        "fr",
        "où est mon colis|merci|merci beaucoup|bonjour|je veux un remboursement|quels sont les délais de livraison|parler à un conseiller|le sac 茅台 est arrivé cassé",
    ),
    (
        "de",
        "wo ist mein paket|hallo|danke|ich möchte das zurückgeben|wann kommt meine bestellung|mit einem menschen sprechen|guten tag",
    ),
    (
        "pt",
        "onde está meu pedido|olá|obrigado|quanto custa o frete|quero falar com um atendente|bom dia|não funciona",
    ),
    (
        "ru",
        "где мой заказ|спасибо|здравствуйте|хочу вернуть товар|где мой iPhone|сколько стоит доставка",
    ),
    (
        "ar",
        "أين طلبي|شكرا|مرحبا|أريد استرجاع المنتج|متى يصل الطلب",
    ),
    ("th", "สินค้าอยู่ที่ไหน|ขอบคุณค่ะ|สวัสดีครับ|อยากคืนสินค้า"),
    (
        "vi",
        "đơn hàng của tôi ở đâu|xin chào|cảm ơn|tôi muốn hoàn tiền|bao giờ giao hàng",
    ),
    (
        "id",
        "di mana pesanan saya|terima kasih|saya mau refund|kapan barang dikirim|apakah stoknya ada",
    ),
    (
        "it",
        "dov'è il mio pacco|ciao|grazie|vorrei un rimborso|quanto costa la spedizione",
    ),
    (
        "nl",
        "waar is mijn pakket|bedankt|ik wil dit terugsturen|wat kost de verzending",
    ),
    (
        "pl",
        "gdzie jest moja paczka|dzień dobry|dziękuję|chcę zwrócić towar",
    ),
    (
        "tr",
        "siparişim nerede|merhaba|teşekkürler|iade etmek istiyorum",
    ),
    (
        "sv",
        "var är mitt paket|hej|tack så mycket|jag vill returnera det här",
    ),
    (
        "uk",
        "де моє замовлення|дякую|хочу повернути товар|скільки коштує доставка",
    ),
    (
        "bg",
        "къде е моята поръчка|благодаря|искам да върна стоката",
    ),
    ("fa", "سفارش من کجاست|ممنون|می‌خواهم این را پس بدهم"),
    ("he", "איפה ההזמנה שלי|תודה רבה"),
    ("el", "πού είναι η παραγγελία μου|ευχαριστώ"),
    (
        "hi",
        "मेरा ऑर्डर कहाँ है|मेरा पैसा कब वापस आएगा|मुझे यह वापस करना है",
    ),
    ("mr", "माझी ऑर्डर कुठे आहे|मला हे परत करायचे आहे"),
    ("ka", "სად არის ჩემი შეკვეთა|გმადლობთ"),
];

#[test]
fn the_language_of_a_text_is_told() {
    let mut wrong = Vec::new();
    for (language, texts) in TEXTS {
        for text in texts.split('|') {
            let mut sets = vec![MANY];
            sets.extend(Some(SHIPPED).filter(|set| set.split(' ').any(|one| one == language)));
            for set in sets {
                let told = told(text, set);
                if told != language {
                    wrong.push(format!("{text} is {language}, not {told}, of {set}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_not_offered_is_english_and_what_does_not_tell_stays_open() {
    for (text, set, expected) in [
        ("注文した商品はどこですか", "zh en", "en"),
        ("제 주문 어디에 있나요", "zh en ja", "en"),
        ("où est mon colis", "zh en", "en"),
        ("de моє замовлення, де", "en ru", "en"),
        ("سفارش من کجاست", "en ar", "en"),
        ("escribe un poema sobre la luna", "zh en fr", "en"),
        ("waar is mijn pakket", "en de fr", "en"),
        ("di mana pesanan saya", "en ms", "ms"),
        // Of the Latin languages the only one, English or not.
        ("where is my order", "zh fr", "fr"),
        ("где мой заказ", "zh ja", "en"),
        // Chinese characters alone are Japanese where no Chinese is spoken.
        ("返品方法", "en ja", "ja"),
        ("返品方法", "en ja zh", "zh"),
        ("返品方法", "en ko", "en"),
        // Serbian is written in both.
        ("где је мој пакет", "en sr", "sr"),
        ("", SHIPPED, "-"),
        ("😀👍", SHIPPED, "-"),
        ("12345 (10:30)", SHIPPED, "-"),
        ("SF1234567890", SHIPPED, "-"),
        ("https://example.com/donde-esta-mi-paquete", SHIPPED, "-"),
        ("juan.perez@correo.example", SHIPPED, "-"),
        ("？？？", SHIPPED, "-"),
        ("xqzt", SHIPPED, "-"),
    ] {
        assert_eq!(told(text, set), expected, "{text} of {set}");
    }
}

fn rows(code: &str) -> Vec<String> {
    let rows = ["business", "off_topic"].into_iter().flat_map(|side| {
        let rows = fs::read_to_string(format!("models/build/rows/{code}.{side}.txt")).unwrap();
        let rows = rows
            .lines()
            .filter(|row| !row.is_empty() && !row.starts_with('#'));
        rows.take(300).map(str::to_owned).collect::<Vec<_>>()
    });
    rows.collect()
}

/// Measured: 95.2 % told, 1 of 600 in English taken for another, 95.3 % of four languages that are not offered answered
/// in English.
#[test]
fn what_customers_ask_is_told_as_a_rule() {
    let shipped = "en es fr de pt id vi";
    let share = |codes: &str, expected: &dyn Fn(&str) -> String| {
        let (mut right, mut of) = (0.0, 0.0);
        for code in codes.split(' ') {
            for row in rows(code) {
                let told = told(&row, shipped);
                let told = if told == "-" { "en" } else { told };
                right += f64::from(u8::from(told == expected(code)));
                of += 1.0;
            }
        }
        right / of
    };
    assert!(share(shipped, &str::to_owned) >= 0.94);
    assert!(share("en", &str::to_owned) >= 0.99);
    assert!(share("it nl pl tr", &|_| "en".to_owned()) >= 0.93);
}

#[test]
fn telling_takes_no_long_time() {
    for piece in [
        "hola ", "の", "a", "吗 x", "ñ", "где ", "a@", "://", ": ", "\u{fdfa}",
    ] {
        let text = piece.repeat(1_000_000 / piece.len());
        let start = Instant::now();
        told(&text, MANY);
        let took = start.elapsed();
        assert!(took < Duration::from_millis(500), "{piece:?}: {took:?}");
    }
}
