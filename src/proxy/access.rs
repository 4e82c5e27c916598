//! Who may come in, and how often: keys, rates, and the address that a request comes from.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, header};
use ipnet::IpNet;
use moka::sync::Cache;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use super::headers::DECISION;
use super::ids::{ANTHROPIC_REQUEST_ID, GATE_REQUEST_ID, REQUEST_ID, UPSTREAM_REQUEST_ID};
use super::refusal::Refusal;
use super::unflushed::Unflushed;
use crate::config::{self, Limits, Rate};
use crate::secret::Digest;
use crate::upstream::X_API_KEY;

/// Hops, as proxies note them, the nearest last.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Addresses whose requests are counted, about 20 MB of them. Beyond, those seen least begin anew.
const MAX_ADDRESSES: u64 = 65_536;
/// A browser may remember for so long what it may send.
const PREFLIGHT_AGE: Duration = Duration::from_secs(2 * 3600);

/// The other end of a connection; the server puts it into each request's extensions.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address that connected: the client's, or a proxy's.
    pub address: SocketAddr,
    /// Whether the connection is one too many, so that its requests are turned away.
    pub turned_away: bool,
    /// What its replies hold until they are written.
    pub unflushed: Unflushed,
}

/// What is asked of clients. Built from the configuration; [`Access::renewed`] takes another one over.
#[derive(Debug)]
pub struct Access {
    clients: HashMap<Digest, Client>,
    trusted_proxies: Vec<IpNet>,
    addresses: Option<Arc<Addresses>>,
    /// How pages of other origins may call; none where none may.
    pub(super) cors: Option<CorsLayer>,
}

#[derive(Debug)]
struct Client {
    name: Arc<str>,
    allowance: Option<Arc<Allowance>>,
}

/// The allowance of each address. One that was idle for as long as it takes to fill its allowance is
/// forgotten, which changes nothing.
#[derive(Debug)]
struct Addresses {
    rate: Rate,
    known: Cache<IpAddr, Arc<Allowance>>,
}

/// What one client has left.
#[derive(Debug)]
struct Allowance {
    rate: Rate,
    limiter: DefaultDirectRateLimiter,
}

impl Access {
    /// As the configuration has it.
    pub fn new(access: &config::Access, limits: &Limits) -> Self {
        Access::after(None, access, limits)
    }

    /// As a changed configuration has it. Counts go on where the rate has stayed.
    pub fn renewed(&self, access: &config::Access, limits: &Limits) -> Self {
        Access::after(Some(self), access, limits)
    }

    fn after(before: Option<&Access>, access: &config::Access, limits: &Limits) -> Self {
        let client = |key: &config::ClientKey| {
            let known =
                before.and_then(|before| before.clients.get(&key.sha256)?.allowance.clone());
            let allowance = limits.per_key.map(|rate| {
                let known = known.filter(|known| known.rate == rate);
                known.unwrap_or_else(|| Arc::new(Allowance::full(rate)))
            });
            let name = key.name.as_str().into();
            (key.sha256, Client { name, allowance })
        };
        let addresses = limits.per_address.map(|rate| {
            let known = before.and_then(|before| before.addresses.clone());
            let known = known.filter(|known| known.rate == rate);
            known.unwrap_or_else(|| Arc::new(Addresses::new(rate)))
        });
        Access {
            clients: access.keys.iter().map(client).collect(),
            trusted_proxies: access.trusted_proxies.iter().map(|n| n.0).collect(),
            addresses,
            cors: cors(&access.cors_origins),
        }
    }

    /// Lets a request in, and says whose it is. A key of the gateway's own is taken out of the headers: it
    /// is no business of the upstream's.
    pub(super) fn admit(
        &self,
        headers: &mut HeaderMap,
        address: Option<IpAddr>,
    ) -> Result<Option<Arc<str>>, Refusal> {
        if let (Some(addresses), Some(address)) = (&self.addresses, address) {
            addresses.spend(address)?;
        }
        if self.clients.is_empty() {
            return Ok(None);
        }
        let client = self.take_key(headers).ok_or(Refusal::InvalidKey)?;
        if let Some(allowance) = &client.allowance {
            allowance.spend()?;
        }
        Ok(Some(client.name.clone()))
    }

    fn take_key(&self, headers: &mut HeaderMap) -> Option<&Client> {
        let mut found = None;
        for name in [AUTHORIZATION, X_API_KEY] {
            let presented = headers.get_all(&name).iter();
            let mut keys = presented.map(|value| key_in(&name, value));
            let client = keys.find_map(|key| self.clients.get(&Digest::of(key)));
            if client.is_some() {
                headers.remove(&name);
                found = found.or(client);
            }
        }
        found
    }

    /// The client's address: the nearest hop that is no proxy of ours. What lies behind it, anyone can write.
    pub(super) fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let is_ours = |address: &IpAddr| self.trusted_proxies.iter().any(|n| n.contains(address));
        let mut nearest = peer.to_canonical();
        let lines = headers.get_all(X_FORWARDED_FOR).iter().rev();
        let hops = lines.flat_map(|line| line.as_bytes().rsplit(|b| *b == b','));
        for hop in hops {
            if !is_ours(&nearest) {
                break;
            }
            match address_in(hop) {
                Some(hop) => nearest = hop,
                None => break,
            }
        }
        nearest
    }
}

/// `Bearer KEY` in `Authorization`, the bare key elsewhere.
fn key_in<'v>(name: &HeaderName, value: &'v HeaderValue) -> &'v [u8] {
    let value = value.as_bytes();
    if *name != AUTHORIZATION {
        return value.trim_ascii();
    }
    match value.split_at_checked(7) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(b"bearer ") => key.trim_ascii(),
        _ => b"",
    }
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn address_in(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let with_port = || hop.parse().ok().map(|address: SocketAddr| address.ip());
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address: Option<IpAddr> = hop.parse().ok();
    let address = address.or_else(with_port).or_else(in_brackets);
    address.map(|address| address.to_canonical())
}

impl Addresses {
    fn new(rate: Rate) -> Self {
        let known = Cache::builder().max_capacity(MAX_ADDRESSES);
        Addresses {
            rate,
            known: known.time_to_idle(rate.per).build(),
        }
    }

    fn spend(&self, address: IpAddr) -> Result<(), Refusal> {
        let fresh = || Arc::new(Allowance::full(self.rate));
        self.known.get_with(household(address), fresh).spend()
    }
}

/// A customer has a /64 of IPv6, and could come from any address in it.
pub(super) fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

impl Allowance {
    fn full(rate: Rate) -> Self {
        let quota = Quota::with_period(rate.interval());
        // The interval of a rate is never zero.
        let quota = quota.unwrap_or(Quota::per_second(rate.count));
        Allowance {
            rate,
            limiter: RateLimiter::direct(quota.allow_burst(rate.count)),
        }
    }

    fn spend(&self) -> Result<(), Refusal> {
        self.limiter.check().map_err(|early| Refusal::RateLimited {
            wait: early.wait_time_from(self.limiter.clock().now()),
        })
    }
}

fn cors(origins: &[config::Origin]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let named = origins.iter().map(|origin| origin.0.parse::<HeaderValue>());
    let origin = match origins.iter().any(|origin| origin.0 == "*") {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(named.flatten()),
    };
    let layer = CorsLayer::new()
        .allow_origin(origin)
        // OpenAI's client sends a dozen headers of its own, and more with each version.
        .allow_headers(AllowHeaders::mirror_request())
        .allow_methods(AllowMethods::mirror_request())
        .expose_headers([
            DECISION,
            REQUEST_ID,
            ANTHROPIC_REQUEST_ID,
            UPSTREAM_REQUEST_ID,
            GATE_REQUEST_ID,
            RETRY_AFTER,
        ])
        .max_age(PREFLIGHT_AGE);
    Some(layer)
}

/// What the upstream says to browsers is about its own origin.
pub(super) fn remove_cors(headers: &mut HeaderMap) {
    for name in [
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
    ] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn access(text: &str) -> (Access, config::Config) {
        let folder = std::path::Path::new("");
        let config = config::Config::parse("config.toml", text, folder, Vec::new()).unwrap();
        (Access::new(&config.access, &config.limits), config)
    }

    fn forwarded(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_static(line));
        }
        headers
    }

    #[test]
    fn the_address_is_the_nearest_that_is_no_proxy_of_ours() {
        let (access, _) = access("access.trusted_proxies = ['10.0.0.0/8', '::1']");
        for (peer, lines, expected) in [
            ("192.0.2.1", &["203.0.113.9"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("::ffff:10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("::1", &["1.1.1.1, 203.0.113.9,10.1.1.1"], "203.0.113.9"),
            (
                "::1",
                &["1.1.1.1", "203.0.113.9", "10.1.1.1"],
                "203.0.113.9",
            ),
            ("::1", &["203.0.113.9:5123"], "203.0.113.9"),
            ("::1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("::1", &["[2001:db8::1]"], "2001:db8::1"),
            ("::1", &["1.1.1.1, unknown"], "::1"),
            ("::1", &["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("::1", &[""], "::1"),
            ("::1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            let address = access.client_address(peer.parse().unwrap(), &forwarded(lines));
            assert_eq!(address.to_string(), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_household_of_ipv6_is_one_client() {
        let one = household("2001:db8:1:2:3::4".parse().unwrap());
        assert_eq!(one, household("2001:db8:1:2:ffff::".parse().unwrap()));
        assert_ne!(one, household("2001:db8:1:3::".parse().unwrap()));
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(household(v4), v4);
    }

    #[test]
    fn counts_go_on_where_the_rate_has_stayed() {
        let address = Some("192.0.2.1".parse().unwrap());
        let spend = |access: &Access| access.admit(&mut HeaderMap::new(), address).is_ok();
        let (first, mut config) = access("limits.per_address = '1/h'");
        assert!(spend(&first) && !spend(&first));
        assert!(!spend(&first.renewed(&config.access, &config.limits)));
        config.limits.per_address = config.limits.per_address.map(|rate| Rate {
            count: rate.count.saturating_add(1),
            ..rate
        });
        assert!(spend(&first.renewed(&config.access, &config.limits)));
    }

    #[test]
    fn strangers_do_not_fill_the_memory() {
        let rate = Rate {
            count: std::num::NonZeroU32::MIN,
            per: Duration::from_secs(3600),
        };
        let addresses = Addresses::new(rate);
        for number in 0..200_000u32 {
            addresses
                .spend(std::net::Ipv4Addr::from_bits(number).into())
                .unwrap();
        }
        addresses.known.run_pending_tasks();
        assert!(addresses.known.entry_count() <= MAX_ADDRESSES);
    }

    proptest! {
        #[test]
        fn what_lies_behind_a_stranger_changes_nothing(
            written in vec("[ -~\t]{0,24}|(10|203)\\.0\\.0\\.[1-9]|unknown", 0..5),
            ours in vec(1..255_u8, 0..4),
            stranger in any::<IpAddr>().prop_filter("a stranger", |a| {
                matches!(a.to_canonical(), IpAddr::V4(a) if a.octets()[0] != 10)
                    || matches!(a.to_canonical(), IpAddr::V6(_))
            }),
            form in 0..3_u8,
        ) {
            let (access, _) = access("access.trusted_proxies = ['10.0.0.0/8']");
            let hop = match (form, stranger) {
                (0, _) => stranger.to_string(),
                (_, IpAddr::V6(_)) if form == 1 => format!("[{stranger}]"),
                _ => SocketAddr::new(stranger, 443).to_string(),
            };
            let ours = ours.iter().map(|last| format!("10.0.0.{last}"));
            let hops: Vec<_> = written.into_iter().chain([hop]).chain(ours).collect();
            let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, hops.join(",").parse().unwrap())]);
            let nearest = |peer: IpAddr| access.client_address(peer, &headers);
            prop_assert_eq!(nearest("10.9.9.9".parse().unwrap()), stranger.to_canonical());
            // Who is no proxy of ours says nothing about others.
            prop_assert_eq!(nearest(stranger), stranger.to_canonical());
        }

        #[test]
        fn a_key_is_found_as_it_was_given(
            key in "[!-~]([ -~]{0,30}[!-~])?",
            scheme in "[Bb][Ee][Aa][Rr][Ee][Rr]",
            blank in "[ \t]{0,3}",
            any in vec(0x20..0x7f_u8, 0..40),
        ) {
            let bearer = HeaderValue::from_str(&format!("{scheme} {blank}{key}{blank}")).unwrap();
            prop_assert_eq!(key_in(&AUTHORIZATION, &bearer), key.as_bytes());
            let bare = HeaderValue::from_str(&format!("{blank}{key}{blank}")).unwrap();
            prop_assert_eq!(key_in(&X_API_KEY, &bare), key.as_bytes());
            let has_scheme = any.to_ascii_lowercase().starts_with(b"bearer ");
            let any = HeaderValue::from_bytes(&any).unwrap();
            prop_assert!(has_scheme || key_in(&AUTHORIZATION, &any).is_empty());
        }
    }
}
