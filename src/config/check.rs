//! `option check` of a real server: the probe that finds out whether it lives, with keepalived's words and defaults.

use core::net::IpAddr;

use heapless::Vec;

use super::probe::{Defined, DefinedUrl, WORDS_OF_HTTP};
use super::reader::{Numeric, Reader, Value, words_of};
use super::real_server::{Common, Rhythm, UNSAID, said};
use super::uci::Section;
use super::value;
use super::{Method, Probe, ProbeId, RealServer, Span, Text};
use crate::limits::URLS_PER_CHECK_MAX;
use crate::probe::Start;

static NUMBERS: [Numeric; 5] = [
    Numeric::whole("connect_port", [1, 65_535], 0),
    Numeric::whole("nb_get_retry", [0, 254], UNSAID),
    Numeric::flag("alpha", false),
    Numeric::whole("misc_timeout", [1, 65_535], UNSAID),
    Numeric::flag("misc_dynamic", false),
];

/// A check.
struct Check {
    name: &'static str,
    /// The options that it has beside those of all checks.
    its: &'static str,
    method: Method,
    /// How often it is tried again before it has failed.
    retries: u8,
    /// Seconds before each of them; 0: as many as `delay_loop`.
    pause_secs: u16,
}

static CHECKS: [Check; 7] = [
    check("TCP_CHECK", Method::Tcp, 1, 1, TO_A_PORT),
    check(
        "HTTP_GET",
        Method::Http,
        1,
        3,
        "connect_ip connect_port connect_timeout interface url virtualhost nb_get_retry",
    ),
    check("PING_CHECK", Method::Ping, 1, 1, "connect_ip connect_timeout interface"),
    check("MISC_CHECK", Method::Script, 0, 1, "misc_path misc_timeout misc_dynamic"),
    check(
        "UDP_CHECK",
        Method::Udp,
        1,
        1,
        "connect_ip connect_port connect_timeout interface payload require_reply",
    ),
    check(
        "DNS_CHECK",
        Method::Dns,
        3,
        0,
        "connect_ip connect_port connect_timeout interface dns_type dns_name",
    ),
    check("SMTP_CHECK", Method::Smtp, 1, 1, TO_A_PORT),
];

const TO_A_PORT: &str = "connect_ip connect_port connect_timeout interface";

/// The options that only some checks have.
const PARTICULARS: &str = "connect_ip connect_port connect_timeout interface url virtualhost nb_get_retry misc_path \
                           misc_timeout misc_dynamic payload require_reply dns_type dns_name";

const fn check(name: &'static str, method: Method, retries: u8, pause_secs: u16, its: &'static str) -> Check {
    Check { name, its, method, retries, pause_secs }
}

/// keepalived's.
const DELAY_LOOP: i32 = 60;
const CONNECT_TIMEOUT: i32 = 5;

impl<'d> Reader<'d, '_> {
    /// The probe of a server of the virtual server in `service`; `Some(None)`: it needs none. `None`: an error was told.
    #[inline(never)]
    pub(super) fn check(
        &mut self,
        service: Section<'d>,
        section: Section<'d>,
        server: &RealServer,
        common: &Common,
        rhythm: &Rhythm,
    ) -> Option<Option<ProbeId>> {
        let [port, get_retry, alpha, misc_timeout, weighs] = self.numbers(section, &NUMBERS);
        let Some(kind) = self.scalar(section, "check") else {
            self.warn_of_idle(section, PARTICULARS, "", "no check");
            return Some(None);
        };
        let Some(check) = CHECKS.iter().find(|check| check.name.as_bytes() == kind.text) else {
            self.not_here(&kind);
            return None;
        };
        self.warn_of_idle(section, PARTICULARS, check.its, check.name);
        let delay_loop = said(rhythm.delay_loop, DELAY_LOOP);
        let retries = said(said(rhythm.retry, get_retry), check.retries.into());
        let pause = if check.pause_secs == 0 { delay_loop } else { check.pause_secs.into() };
        // keepalived gives a script as long as there is between two runs.
        let timeout = if check.method == Method::Script {
            said(misc_timeout, delay_loop)
        } else {
            said(rhythm.connect_timeout, CONNECT_TIMEOUT)
        };
        let mut defined = Defined::new(Probe {
            name: Text::EMPTY,
            script: Text::EMPTY,
            interval_secs: delay_loop as u16,
            timeout_secs: timeout as u16,
            rise: 1,
            fall: retries.saturating_add(1) as u8,
            retry_secs: said(rhythm.delay_before_retry, pause) as u16,
            spread_secs: said(rhythm.warmup, delay_loop) as u16,
            start: if common.is_alpha || alpha != 0 { Start::Down } else { Start::Up },
            is_weighing: check.method == Method::Script && weighs != 0,
            service: Some(server.service),
        });
        let mut urls = Span::default();
        if check.method == Method::Script {
            defined.script = Some(self.command(section, "misc_path")?);
        } else {
            defined.target.method = check.method;
            defined.target.address = server.destination.address;
            defined.target.port = if port == 0 { server.destination.port } else { port as u16 };
            self.place_of_check(section, &mut defined)?;
            self.particulars(section, &mut defined);
            if check.method == Method::Http {
                urls = self.pages(service, section)?;
            }
        }
        self.enter_defined(section.line(), section, server.name, &defined, urls).map(Some)
    }

    /// Options that are among the first words and not among the others mean nothing with a check, or without one.
    fn warn_of_idle(&mut self, section: Section<'d>, words: &'static str, its: &'static str, check: &str) {
        for entry in section.entries() {
            if value::choice(entry.name, words).is_some() && value::choice(entry.name, its).is_none() {
                self.warn(entry.line, "%a has no effect with %b: remove it", &[entry.name, check.as_bytes()]);
            }
        }
    }

    /// Where a check goes, if not to the server's own address; and through which device.
    fn place_of_check(&mut self, section: Section<'d>, defined: &mut Defined<'d>) -> Option<()> {
        if let Some(value) = self.scalar(section, "connect_ip") {
            let address = value::address(value.text).filter(|address| value::is_destination(*address));
            if address.is_none() {
                self.wrong(&value, &"connect_ip %A is not the address of a host: write one like 192.0.2.1");
            }
            defined.target.address = address?;
        }
        if let Some(interface) = self.scalar(section, "interface") {
            defined.interface = Some(self.device_name(interface, "interface")?);
        }
        if defined.target.port == 0 && matches!(defined.target.method, Method::Tcp | Method::Udp) {
            self.error(
                section.line(),
                "the virtual_server has no port for this real_server to be checked at: write port or connect_port",
                &[],
            );
            return None;
        }
        let is_local = match defined.target.address {
            IpAddr::V4(_) => false,
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        if is_local && defined.interface.is_none() {
            self.error(
                section.line(),
                "a link-local address is looked for on one network: write its interface",
                &[],
            );
            return None;
        }
        Some(())
    }

    /// What an HTTP server is asked for: each `url`, or its first page. The Host is that of the `url`, else of the server,
    /// else of the virtual server.
    fn pages(&mut self, service: Section<'d>, section: Section<'d>) -> Option<Span> {
        let mut pages = Vec::<DefinedUrl<'d>, URLS_PER_CHECK_MAX>::new();
        let mut is_good = true;
        for word in words_of(section, "url") {
            let Some(url) = self.resolve("url", word.text) else {
                self.wrong(&word, &"url %A is not the name of a url section: write one");
                is_good = false;
                continue;
            };
            let was_silent = core::mem::replace(&mut self.is_silent, true);
            let page = self.defined_url(url);
            self.is_silent = was_silent;
            if pages.push(page).is_err() {
                self.error_with(
                    word.line,
                    "url %A is one too many: a check asks for at most %m pages",
                    &[word.text],
                    [URLS_PER_CHECK_MAX as i32, 0],
                );
                return None;
            }
        }
        if pages.is_empty() && is_good {
            // There is room for one.
            let _ = pages.push(DefinedUrl::PLAIN);
        }
        let own = self.host(section);
        let was_silent = core::mem::replace(&mut self.is_silent, true);
        let general = self.host(service);
        self.is_silent = was_silent;
        for host in [own, general].into_iter().flatten() {
            for page in &mut pages {
                page.host.get_or_insert(host);
            }
        }
        if is_good { self.enter_urls(section.line(), &pages) } else { None }
    }

    /// `virtualhost` of a server or a virtual server.
    pub(super) fn host(&mut self, section: Section<'d>) -> Option<Value<'d>> {
        self.words_of(section, "virtualhost", value::is_host_name, &WORDS_OF_HTTP)
    }

    /// A check of keepalived's that is not one of ours, or of nobody's.
    fn not_here(&mut self, kind: &Value<'d>) {
        let sentence = match value::choice(kind.text, "SSL_GET BFD_CHECK FILE_CHECK") {
            Some(0) => {
                "check %A is not done here, since TLS would weigh more than all of vipd: write MISC_CHECK and a script"
            }
            Some(_) => "check %A is not done here: write MISC_CHECK and a script",
            None => {
                "check %A is unknown: write TCP_CHECK, HTTP_GET, PING_CHECK, UDP_CHECK, DNS_CHECK, SMTP_CHECK or \
                 MISC_CHECK"
            }
        };
        self.error(kind.line, sentence, &[kind.text]);
    }
}
