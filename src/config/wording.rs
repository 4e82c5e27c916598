//! What is said to customers where the operator gives no words of their own.
//!
//! `{{name}}` stands where a brand and the default name both read well: in a nominative, in German in a dative.

use crate::language::Localized;

/// The default of `shop.name`.
pub(super) fn name() -> Localized {
    Localized::from([
        ("zh", "本店"),
        ("en", "our shop"),
        ("ja", "当店"),
        ("ko", "저희 매장"),
        ("es", "nuestra tienda"),
        ("fr", "notre boutique"),
        ("de", "unserem Shop"),
        ("pt", "nossa loja"),
        ("ru", "наш магазин"),
        ("ar", "متجرنا"),
        ("th", "ร้านของเรา"),
        ("vi", "cửa hàng chúng tôi"),
        ("id", "toko kami"),
    ])
}

/// The default of `shop.human`.
pub(super) fn human() -> Localized {
    Localized::from([
        ("zh", "您可以在“我的订单”页面点“联系客服”找到人工客服。"),
        (
            "en",
            "You can reach a person from \"My orders\" > \"Contact us\".",
        ),
        (
            "ja",
            "「注文履歴」の「お問い合わせ」から担当者にご連絡いただけます。",
        ),
        (
            "ko",
            "‘내 주문’의 ‘문의하기’에서 상담원과 연결하실 수 있습니다.",
        ),
        (
            "es",
            "Puede hablar con una persona desde «Mis pedidos» > «Contacto».",
        ),
        (
            "fr",
            "Vous pouvez joindre un conseiller depuis « Mes commandes » > « Nous contacter ».",
        ),
        (
            "de",
            "Unser Team erreichen Sie unter „Meine Bestellungen“ > „Kontakt“.",
        ),
        (
            "pt",
            "Você pode falar com um atendente em “Meus pedidos” > “Fale conosco”.",
        ),
        (
            "ru",
            "Связаться с сотрудником можно в разделе «Мои заказы» > «Связаться с нами».",
        ),
        (
            "ar",
            "يمكنكم التواصل مع أحد موظفينا من «طلباتي» ثم «اتصل بنا».",
        ),
        ("th", "คุณสามารถติดต่อเจ้าหน้าที่ได้ที่ “คำสั่งซื้อของฉัน” > “ติดต่อเรา”"),
        (
            "vi",
            "Bạn có thể liên hệ nhân viên tại “Đơn hàng của tôi” > “Liên hệ”.",
        ),
        (
            "id",
            "Anda dapat menghubungi petugas kami melalui “Pesanan Saya” > “Hubungi Kami”.",
        ),
    ])
}

/// The default of `gate.reject_reply`.
pub(super) fn rejection() -> Localized {
    Localized::from([
        (
            "zh",
            "抱歉，我是{{name}}的购物助手，只能回答订单、配送、退换货和商品方面的问题。",
        ),
        (
            "en",
            "Sorry, I am the shopping assistant of {{name}} and can only help with orders, delivery, returns and products.",
        ),
        (
            "ja",
            "申し訳ございません。{{name}}のお買い物アシスタントのため、ご注文・配送・返品・商品に関するご質問にのみお答えしております。",
        ),
        (
            "ko",
            "죄송합니다. 저는 {{name}}의 쇼핑 도우미로, 주문·배송·교환 및 반품·상품에 관한 문의만 도와드릴 수 있습니다.",
        ),
        (
            "es",
            "Lo siento, soy el asistente de compras de {{name}} y solo puedo ayudarle con pedidos, envíos, devoluciones y productos.",
        ),
        (
            "fr",
            "Désolé, je suis l’assistant d’achat de {{name}} et ne peux répondre qu’aux questions sur les commandes, la livraison, les retours et les produits.",
        ),
        (
            "de",
            "Leider kann ich als Einkaufsassistent von {{name}} nur bei Fragen zu Bestellungen, Lieferung, Rückgabe und Produkten helfen.",
        ),
        (
            "pt",
            "Desculpe, sou o assistente de compras de {{name}} e só posso ajudar com pedidos, entregas, devoluções e produtos.",
        ),
        (
            "ru",
            "Извините, {{name}} отвечает здесь только на вопросы о заказах, доставке, возврате и товарах.",
        ),
        (
            "ar",
            "عذرًا، أنا مساعد التسوق في {{name}} ولا يمكنني الإجابة إلا عن الأسئلة المتعلقة بالطلبات والتوصيل والإرجاع والمنتجات.",
        ),
        (
            "th",
            "ขออภัยค่ะ นี่คือผู้ช่วยช้อปปิ้งของ{{name}} ตอบได้เฉพาะเรื่องคำสั่งซื้อ การจัดส่ง การคืนสินค้า และสินค้าเท่านั้นค่ะ",
        ),
        (
            "vi",
            "Xin lỗi, tôi là trợ lý mua sắm của {{name}} và chỉ có thể hỗ trợ về đơn hàng, giao hàng, đổi trả và sản phẩm.",
        ),
        (
            "id",
            "Maaf, saya asisten belanja {{name}} dan hanya dapat membantu soal pesanan, pengiriman, pengembalian, dan produk.",
        ),
    ])
}
