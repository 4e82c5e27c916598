//! What a shop's customers write about, and how it comes out when the input method is not watched.

/// Words that are heard in a text and read in Latin letters.
pub(super) const HEARD: &str = "\
    退款 退货 换货 退换货 发货 补货 到货 收货 签收 拒收 有货 现货 缺货 断货 没货 库存 预售 定金 订金 尾款 付款 支付 货到付款 \
    快递 快递单号 物流 包裹 包邮 邮费 运费 运费险 配送 派送 自提 驿站 顺丰 催单 单号 \
    优惠 优惠券 优惠码 领券 红包 满减 折扣 打折 特价 降价 差价 补差价 保价 价保 价格 便宜 秒杀 拼团 团购 积分 会员 抽奖 返现 \
    订单 下单 取消 地址 收货地址 备注 客服 人工客服 售后 售前 投诉 赔偿 补偿 补发 漏发 少发 错发 \
    发票 专票 抬头 开票 税号 尺码 码数 尺寸 质量 正品 赠品 假货 色差 起球 掉色 褪色 缩水 瑕疵 破损 损坏 款式 材质 \
    保修 维修 返修 质保 保质期 保修期 安装 配件 说明书 账号 密码 登录 验证码 身份证 支付宝 花呗 分期 银行卡 余额 到账 扣款 手续费 \
    评价 差评 好评 追评 晒单 店铺 卖家 买家 商家 门店 直播间 以旧换新 礼品卡 购物车";

/// Words that are read in Latin letters only: too much else sounds like them.
pub(super) const SPELT: &str = "\
    人工 商品 图片 实物 颜色 大小 型号 参数 面料 规格 容量 续航 充电器 生产日期 注册 微信支付 信用卡 实名认证 扣费 店家 链接 \
    详情 补贴 下架 上架 上新 拍下 修改 活动 试用 超时 电子发票 开发票 收货人 在线客服 退差价 号码 确认收货 申请";

/// Words between them, read in Latin letters where one of the others is.
pub(super) const BETWEEN: &str = "\
    我 你 要 想 能 会 吗 呢 吧 啊 了 没 有 不 到 在 哪 的 是 还 好 给 这 那 个 件 就 都 买 开 退 换 寄 发 查 催 用 收到 \
    这个 那个 你们 我们 我的 帮我 请问 怎么 怎么办 怎么弄 怎么样 什么 什么时候 为什么 可以 多久 多少 几天 哪里 哪儿 今天 明天 \
    现在 已经 快点 一下 没有 有没有 能不能 可不可以 是不是 问题 麻烦";

/// Readings of characters that are not the usual ones in these words.
pub(super) const READINGS: [(&str, &str); 5] = [
    ("便宜", "pianyi"),
    ("银行卡", "yinhangka"),
    ("还", "hai"),
    ("的", "de"),
    ("了", "le"),
];

/// Initials that customers type for a word.
pub(super) const INITIALS: [(&str, &str); 16] = [
    ("tk", "退款"),
    ("th", "退货"),
    ("fh", "发货"),
    ("kd", "快递"),
    ("kf", "客服"),
    ("fp", "发票"),
    ("yf", "运费"),
    ("jf", "积分"),
    ("rg", "人工"),
    ("sf", "顺丰"),
    ("yhq", "优惠券"),
    ("yhj", "优惠券"),
    ("yfx", "运费险"),
    ("zfb", "支付宝"),
    ("sfz", "身份证"),
    ("rgkf", "人工客服"),
];

/// Slips that sound cannot find: other words in their own right, which stand here with what shows the slip.
pub(super) const SLIPS: &str = "\
    诱惑吗=有货吗 诱惑么=有货么 诱惑没=有货没 诱惑不=有货不 还诱惑=还有货 有没诱惑=有没有货 \
    发火吗=发货吗 发火么=发货么 发火了吗=发货了吗 发火了没=发货了没 还没发火=还没发货 么时候发火=么时候发货 啥时候发火=啥时候发货 \
    几天发火=几天发货 当天发火=当天发货 天内发火=天内发货 多久发火=多久发货 还不发火=还不发货 快点发火=快点发货 催发火=催发货 \
    发火时间=发货时间 发火慢=发货慢 下单发火=下单发货 \
    收获地址=收货地址 收获人=收货人 收获电话=收货电话 收获信息=收货信息 确认收获=确认收货 还没收获=还没收货 \
    物流欣喜=物流信息 订单欣喜=订单信息 吃吗怎么选=尺码怎么选 吃嘛怎么选=尺码怎么选 吃吗表=尺码表 吃吗偏=尺码偏 吃吗准=尺码准 \
    至亮=质量 再吗=在吗 客服再线=客服在线 再线客服=在线客服 成担=承担 报修期=保修期 图片和食物=图片和实物 食物不符=实物不符 \
    优惠卷=优惠券 优惠劵=优惠券 领卷=领券 领劵=领券 消费卷=消费券 代金卷=代金券 帐号=账号 帐户=账户 \
    登陆不=登录不 登陆失败=登录失败 登陆密码=登录密码 怎么登陆=怎么登录 无法登陆=无法登录 账号登陆=账号登录 \
    会气球=会起球 洗了气球=洗了起球 穿了气球=穿了起球 容易气球=容易起球 气球严重=起球严重 \
    发顺风=发顺丰 用顺风=用顺丰 走顺风=走顺丰 寄顺风=寄顺丰 顺风快递=顺丰快递 能腿吗=能退吗 可以腿吗=可以退吗";

/// Words that sound like a shop's and share a character with it, but are meant as they stand.
pub(super) const OTHER_WORDS: &str = "\
    地质 地志 地支 收获 售货 几分 记分 计分 绩分 积愤 分歧 分岐 报价 包价 报修 包修 一站 取笑 气球 汽球 便衣 便益 平价 自保 植保 治保 \
    志保 投宿 投书 保驾 保家 保甲 发火 乏货 减价 讲价 贱价 退火 退伙 签售 预收 欲售 歉收 欠收 抢收 拒受 下蛋 下档 尾矿 翻修 \
    反修 防修 陪送 排送 调色 退色 款识 卖假 卖价 买价 真品 珍品 正平 好品 鲜货 黄货 布货 油费 自付 止付 附款 自体 长号 抽检 返乡 泛现 \
    会元 克服 顺风 登陆 到站 备足 补仓 自量 志量 未修 门点 红堡 红宝 逾额 三家 商贾 丧家 满江 打者 定睛 定惊 优惠权 \
    有火 有活 有祸 没活 没火 收后 受后 手后";

/// Characters too common to be a slip: they mean what they say.
pub(super) const EVERYDAY: &str = "\
    不一的了是我你他她它们在有就人都和这那要也会对没个上下只去来到或与又几吗吧呢么着过地得为把被让给从向里外大小多少好还再很太最更已以\
    而且因所如果若能可想说看见知道做用什谁哪怎中时年月日天";

/// Slips all the same.
pub(super) const EVERYDAY_SLIPS: [&str; 4] = ["包有", "去消", "可服", "太头"];

/// Characters that a word ends with before a slip.
pub(super) const BEFORE: &str = "\
    我你您他她们的了要想能会可以请问帮给怎么吗呢啊这那个件单款店家在是有没不就还都也为把被和跟让说先再刚已申开查催到发领用收寄天次点\
    后前里办候放求持送买卖填写改付补,.!?;:\"";

/// Characters that a word begins with behind a slip.
pub(super) const BEHIND: &str = "\
    吗么呢啊吧嘛哦呀哈的了怎多少几什是要能可不没有在我你到给谁哪为还就会也都和跟被把单号费用人时地信问快慢好太高低贵差啥咋码险点一停忘写买填电退收寄改更,.!?;:\"";
