//! The checks of a real server: keepalived has as many as one likes, and a section has one.

use heapless::Vec;

use super::draft::{self, Need, Part};
use super::source::Digits;
use super::statements::Statement;
use super::translate::Translation;
use super::virtual_server::{SECONDS, SectionName, Traits, opens};
use super::words;

/// All that keepalived 2.2 knows.
pub(super) const KINDS: &str = "TCP_CHECK HTTP_GET SSL_GET UDP_CHECK DNS_CHECK PING_CHECK MISC_CHECK SMTP_CHECK \
                                BFD_CHECK FILE_CHECK";

/// Those that vipd has.
const BUILT: [&str; 7] =
    ["TCP_CHECK", "HTTP_GET", "UDP_CHECK", "DNS_CHECK", "PING_CHECK", "MISC_CHECK", "SMTP_CHECK"];

/// What becomes of one that is refused.
pub(super) const LEFT_OUT: &str = "is left out as a whole: without a check a real_server always lives";

const NO_SUCH: &str = "vipd has no such check, and without another one the real_server always lives: write MISC_CHECK and a script";

/// URLs of one check.
const URLS_MAX: usize = 32;

/// Bytes of what is sent by UDP, as it is written.
const PAYLOAD_BYTES_MAX: usize = 256;

/// What could be a pattern and not what it says.
const PATTERN: &[u8] = b"\\^$.|?*+()[]{}";

/// What a server is checked with.
#[derive(Clone, Copy)]
pub(super) struct Check<'t> {
    pub(super) statement: Statement<'t>,
    /// `option check`.
    pub(super) kind: &'static str,
}

/// The URLs of a check: where each stands, its section's name, and what it is of the trial.
pub(super) type Urls = Vec<(u32, SectionName, Part), URLS_MAX>;

impl<'t> Translation<'t, '_, '_> {
    /// The first check that vipd has; of the others, it is said.
    pub(super) fn choose_check(&mut self, server: &Statement<'_>) -> Option<Check<'t>> {
        let mut chosen = None;
        let mut encrypted = None;
        for statement in self.block(server) {
            let word = statement.word(0);
            if !words::has(KINDS, word) || !opens(&statement) {
                continue;
            }
            match BUILT.into_iter().find(|kind| kind.as_bytes() == word) {
                Some(kind) if chosen.is_none() => {
                    if self.is_complete(&statement) {
                        chosen = Some(Check { statement, kind });
                    }
                }
                Some(_) => self.lose(&statement, "a real_server has one check, and the first one is taken"),
                None if word == b"SSL_GET" => encrypted = encrypted.or(Some(statement)),
                None => self.lose(&statement, NO_SUCH),
            }
        }
        let Some(statement) = encrypted else { return chosen };
        if chosen.is_some() {
            self.lose(&statement, "vipd has no TLS: write MISC_CHECK and a script");
            return chosen;
        }
        let reason = "vipd has no TLS: TCP_CHECK in its place asks whether anyone listens there, and MISC_CHECK with a \
                      script could ask for more";
        self.lose(&statement, reason);
        Some(Check { statement, kind: "TCP_CHECK" })
    }

    /// Whether it has that without which keepalived does not have it either.
    fn is_complete(&mut self, check: &Statement<'_>) -> bool {
        let inner = self.block(check);
        let (is_complete, reason) = match check.word(0) {
            b"MISC_CHECK" => (inner.has(b"misc_path"), "it has no misc_path, and keepalived ignores it"),
            b"HTTP_GET" => {
                let has_path = |url: Statement<'_>| self.block(&url).has(b"path");
                let mut urls = inner.filter(|statement| statement.word(0) == b"url");
                (urls.any(has_path), "it has no url with a path, and keepalived ignores it")
            }
            _ => return true,
        };
        if !is_complete {
            self.remark(check.place, &[check.word(0)], reason);
        }
        is_complete
    }

    /// Writes the lines of a check into the section of its server.
    pub(super) fn check(
        &mut self,
        check: &Check<'t>,
        port: &[u8],
        traits: &Traits<'_>,
        urls: &[(u32, SectionName, Part)],
    ) {
        let Check { statement: block, kind } = *check;
        self.draft.option((block.place, Need::Must), b"check", [kind.as_bytes()]);
        let has_port = !matches!(kind, "MISC_CHECK" | "PING_CHECK");
        let host = if kind == "SMTP_CHECK" { self.block(&block).find(is_host) } else { None };
        let says_port = |block: &Statement<'_>| self.block(block).has(b"connect_port");
        if has_port && !port.is_empty() && !says_port(&block) && !host.as_ref().is_some_and(says_port) {
            self.draft.option((block.place, Need::Must), b"connect_port", [port]);
        }
        for statement in self.block(&block) {
            self.check_statement(check, &statement, traits);
        }
        if let Some(host) = host {
            for statement in self.block(&host) {
                self.check_statement(check, &statement, traits);
            }
        }
        for (line, name, part) in urls {
            let place = super::notice::Place { line: *line, ..block.place };
            self.draft.list((place, Need::Wish), b"url", [name.as_slice()]);
            self.draft.names(*part);
        }
    }

    fn check_statement(&mut self, check: &Check<'t>, statement: &Statement<'t>, traits: &Traits<'_>) {
        if self.is_cut(statement) {
            return;
        }
        let (word, text) = (statement.word(0), statement.word(1));
        let at = (statement.place, Need::Wish);
        let must = (statement.place, Need::Must);
        // SSL_GET is not what it was: of its words only those of all checks are left.
        let is_whole = check.statement.word(0) == check.kind.as_bytes();
        match (check.kind, word) {
            ("MISC_CHECK", b"misc_path") => self.command("misc_path", Need::Must, statement),
            ("MISC_CHECK", b"misc_timeout") => self.draft.option(at, word, [text]),
            ("MISC_CHECK", b"misc_dynamic") => self.draft.option(at, word, [&b"1"[..]]),
            ("MISC_CHECK", b"user") if text == b"root" => {}
            (
                "MISC_CHECK",
                b"connect_ip" | b"connect_port" | b"bindto" | b"bind_if" | b"bind_port" | b"fwmark",
            ) => {
                self.remark(statement.place, &[word], "keepalived does not know it here, and ignores it");
            }
            ("SMTP_CHECK", b"host") => {
                let first = self.block(&check.statement).find(is_host);
                if first.is_some_and(|first| first.end != statement.end) {
                    self.lose(
                        statement,
                        "a real_server is checked at one address, and the first one is taken",
                    );
                }
            }
            ("UDP_CHECK", b"payload") => self.payload(statement),
            ("UDP_CHECK", b"require_reply") => {
                self.draft.option(at, word, [&b"1"[..]]);
                if statement.len() > 1 {
                    let reason = "any reply is good: what is in it is not looked at";
                    self.lose_words(statement.place, &[word, text], reason);
                }
            }
            ("DNS_CHECK", b"type") => self.draft.option(must, b"dns_type", [text]),
            ("DNS_CHECK", b"name") => self.draft.option(must, b"dns_name", [text]),
            ("HTTP_GET", b"virtualhost") => self.draft.option(at, word, [text]),
            ("HTTP_GET", b"url") => {}
            ("TCP_CHECK", b"url" | b"http_protocol" | b"fast_recovery" | b"enable_sni" | b"virtualhost")
                if !is_whole => {}
            (_, b"connect_ip" | b"connect_port") => self.draft.option(must, word, [text]),
            (_, b"bind_if") => self.draft.option(must, b"interface", [text]),
            (_, b"retry" | b"nb_get_retry") => self.draft.option(at, b"retry", [text]),
            (_, b"alpha") => self.switch(statement, traits.is_alpha),
            (_, seconds) if words::has(SECONDS, seconds) => self.seconds(word, statement),
            _ => self.carry(check.kind, "", Need::Wish, statement),
        }
    }

    /// keepalived ends a byte at each blank, and at two digits.
    fn payload(&mut self, statement: &Statement<'_>) {
        let mut written = Vec::<u8, PAYLOAD_BYTES_MAX>::new();
        let mut is_long = false;
        for word in statement.words().skip(1).flat_map(|words| words.split(u8::is_ascii_whitespace)) {
            for pair in word.chunks(2) {
                let padding: &[u8] = if pair.len() == 1 { b"0" } else { b"" };
                is_long |= written.extend_from_slice(padding).is_err();
                is_long |= written.extend_from_slice(pair).is_err();
            }
        }
        if is_long {
            self.lose(statement, "it is too long: left out");
        } else {
            self.draft.option((statement.place, Need::Wish), b"payload", [written.as_slice()]);
        }
    }

    /// Writes a section for each URL of a check, which falls with this part.
    pub(super) fn urls(&mut self, check: &Statement<'t>, parent: Part) -> Urls {
        let mut urls = Urls::new();
        if check.word(0) != b"HTTP_GET" {
            return urls;
        }
        for block in self.block(check).filter(|statement| statement.word(0) == b"url") {
            if !self.block(&block).has(b"path") {
                self.remark(block.place, &[b"url"], "it has no path, and keepalived ignores it");
                continue;
            }
            if urls.is_full() {
                self.lose(&block, "there are too many");
                continue;
            }
            let part = self.draft.part(block.place, "url", draft::LEFT_OUT, parent);
            self.draft.go_on(part);
            self.draft.head(block.place, "url");
            let name = self.url_name();
            self.draft.option((block.place, Need::Must), b"name", [name.as_slice()]);
            for statement in self.block(&block) {
                self.url_statement(&block, &statement);
            }
            let _ = urls.push((block.place.line, name, part));
        }
        urls
    }

    fn url_name(&mut self) -> SectionName {
        let mut name = SectionName::new();
        loop {
            self.urls += 1;
            name.clear();
            let _ = name.extend_from_slice(b"url_");
            let _ = name.extend_from_slice(Digits::new(self.urls.cast_signed(), false).text());
            if !self.draft.has_name(&name) {
                return name;
            }
        }
    }

    fn url_statement(&mut self, url: &Statement<'_>, statement: &Statement<'_>) {
        if self.is_cut(statement) {
            return;
        }
        let (word, text) = (statement.word(0), statement.word(1));
        let at = (statement.place, Need::Must);
        match word {
            b"path" | b"digest" | b"virtualhost" => self.draft.option(at, word, [text]),
            b"status_code" => {
                self.draft.option(at, word, [text]);
                for other in statement.words().skip(2) {
                    let reason = "a url has one code, or one range: the first one is taken";
                    self.lose_words(statement.place, &[word, other], reason);
                }
            }
            b"regex" => {
                let is_negated = self.block(url).has(b"regex_no_match");
                let is_plain = !text.iter().any(|byte| PATTERN.contains(byte));
                if is_plain && !is_negated && !self.block(url).has(b"regex_options") {
                    self.draft.option((statement.place, Need::Wish), b"text", [text]);
                } else {
                    let reason = "what is looked for in a page, option text, is no pattern: left out";
                    self.lose_words(statement.place, &[word, text], reason);
                }
            }
            _ => self.carry("url", "", Need::Wish, statement),
        }
    }
}

fn is_host(statement: &Statement<'_>) -> bool {
    statement.word(0) == b"host" && opens(statement)
}
