//! libuci's grammar. The expected answers are those of the real library, but for the line of a mistake in a
//! last line without a newline, which libuci does not count.

use vipd::config::uci::{ANONYMOUS_NAME_BYTES, Document, Error, ErrorKind};
use vipd::limits::{CONFIG_BYTES_MAX, OPTIONS_MAX, SECTIONS_MAX};

use super::document;

/// A section whose options are under test.
const SECTION: &str = "config foo bar\n";

/// The options of all sections, as `name=value`, items of lists as `name+=value`.
fn options(text: &str) -> Vec<String> {
    let document = document(text.as_bytes())
        .unwrap_or_else(|error| panic!("{text:?}: line {}: {}", error.line, error.problem()));
    show(&document)
}

fn show(document: &Document) -> Vec<String> {
    let mut shown = Vec::new();
    for entry in document.sections().flat_map(|section| section.entries()) {
        let name = String::from_utf8_lossy(entry.name);
        let value = String::from_utf8_lossy(entry.value);
        let sign = if entry.is_list { "+=" } else { "=" };
        shown.push(format!("{name}{sign}{value}"));
    }
    shown
}

/// The sections, as `type name`, anonymous ones with libuci's name for them.
fn sections(text: &str) -> Vec<String> {
    let document = document(text.as_bytes()).unwrap();
    let mut shown = Vec::new();
    for section in document.sections() {
        let mut buffer = [0; ANONYMOUS_NAME_BYTES];
        let name = match section.name() {
            [] => section.anonymous_name(&mut buffer),
            name => name,
        };
        let kind = String::from_utf8_lossy(section.kind());
        shown.push(format!("{kind} {}", String::from_utf8_lossy(name)));
    }
    shown
}

fn error(text: &str) -> Error {
    match document(text.as_bytes()) {
        Ok(document) => panic!("{text:?} was accepted: {:?}", show(&document)),
        Err(error) => error,
    }
}

#[test]
fn keywords_may_be_one_letter() {
    assert_eq!(options("p any\nc foo bar\no a b\nl l x\n"), ["a=b", "l+=x"]);
    assert_eq!(sections("c foo bar\no a b\n"), ["foo bar"]);
}

#[test]
fn words_are_unescaped_as_libuci_does() {
    let cases: &[(&str, &str)] = &[
        ("option a b#comment", "a=b"),
        ("option a b #comment", "a=b"),
        ("option a 'b#x'#y", "a=b#x"),
        ("option a \\#1", "a=#1"),
        ("option a x'y z'\"w v\"t", "a=xy zw vt"),
        (r#"option a "x\"y\n\\z""#, "a=x\"yn\\z"),
        (r"option a 'it'\''s'", "a=it's"),
        (r"option a b\ c", "a=b c"),
        (r"option a b\;c", "a=b;c"),
        (r"option a ''\'b", "a='b"),
        (r"option \a b", "a=b"),
        ("option a 'x;y#z'", "a=x;y#z"),
        ("option\ta\tb", "a=b"),
        ("option a\x0bb", "a=b"),
        (" \x0b\x0c\r option a b", "a=b"),
        ("option a \r b", "a=b"),
        ("option a b\\", "a=b"),
        ("option a 'ü\x01'", "a=ü\x01"),
    ];
    for (text, expected) in cases {
        assert_eq!(options(&format!("{SECTION}{text}\n")), [*expected], "{text}");
        assert_eq!(options(&format!("{SECTION}{text}")), [*expected], "{text}");
    }
}

#[test]
fn words_may_span_lines() {
    let cases: &[(&str, &str)] = &[
        ("option a 'x\ny'", "a=x\ny"),
        ("option a \"x\ny\"", "a=x\ny"),
        ("option a 'x\\\ny'", "a=x\\\ny"),
        ("option a \"x\\\ny\"", "a=xy"),
        ("option a x\\\ny", "a=xy"),
        ("option a x\\\r\ny", "a=xy"),
        ("option a \"x\\\\\ny\"", "a=x\\\ny"),
        ("option a \\\nx\\\ny", "a=xy"),
        ("option a 'x'\\\n'y'", "a=xy"),
        ("option a x \\\n# comment", "a=x"),
    ];
    for (text, expected) in cases {
        assert_eq!(options(&format!("{SECTION}{text}\n")), [*expected], "{text}");
    }
    let at = error(&format!("{SECTION}option a x\\\n  y\n"));
    assert_eq!((at.line, at.kind), (3, ErrorKind::TooManyWords));
}

#[test]
fn a_comment_does_not_join_lines() {
    assert_eq!(options(&format!("{SECTION}#x\\\noption a b\n")), ["a=b"]);
    assert_eq!(options(&format!("{SECTION}option a b#x\\\noption c d\n")), ["a=b", "c=d"]);
}

#[test]
fn a_semicolon_ends_a_statement_but_directly_behind_a_word_it_ends_the_line() {
    let rest = |text: &str| options(&format!("{SECTION}{text}\n"));
    assert_eq!(rest("option a b;option c d"), ["a=b"]);
    assert_eq!(rest("option a 'b';option c d"), ["a=b", "c=d"]);
    assert_eq!(rest("option a b ; option c d"), ["a=b", "c=d"]);
    assert_eq!(rest("option a ''; option c d"), ["c=d"]);
    assert_eq!(rest("list a;list a b"), ["a+="]);
    assert_eq!(options("config foo bar ;option a b\n"), ["a=b"]);
    assert_eq!(options("config foo bar;option c d\noption a b\n"), ["a=b"]);
    let dropped = |text: &str| document(text.as_bytes()).unwrap().dropped_line();
    assert_eq!(dropped("config foo bar\noption a b;c\n"), Some(2));
    assert_eq!(dropped("config foo bar\noption a b; # c\noption c 'd';#\n"), None);
}

#[test]
fn crlf_is_read_as_lf() {
    assert_eq!(options("config foo 'bar'\r\n\r\n\toption a b\r\n\tlist l 'x'\r\n"), ["a=b", "l+=x"]);
}

#[test]
fn an_option_without_value_changes_nothing_and_a_list_item_may_be_empty() {
    let all = |text: &str| options(&format!("{SECTION}{text}"));
    assert!(all("option a\n ").is_empty() && all("option a ''\n").is_empty());
    assert_eq!(all("option a 1\noption a ''\noption a \n"), ["a=1"]);
    assert_eq!(all("list l \nlist l ''\n"), ["l+=", "l+="]);
    assert_eq!(all("list l 1\noption l ''\n"), ["l+=1"]);
}

#[test]
fn the_last_option_wins_at_the_place_of_the_first() {
    let all = |text: &str| options(&format!("{SECTION}{text}"));
    assert_eq!(all("option a 1\noption b 2\noption a 3\n"), ["a=3", "b=2"]);
    assert_eq!(all("option a 1\nlist a 2\n"), ["a+=1", "a+=2"]);
    assert_eq!(all("list a 1\noption b 2\nlist a 3\noption a 4\n"), ["a=4", "b=2"]);
    assert_eq!(all("list a 1\nlist a 1\n"), ["a+=1", "a+=1"]);
}

#[test]
fn a_named_section_that_is_opened_again_goes_on() {
    let text = "config t s\noption a 1\noption b 2\nconfig t\noption a x\nconfig t s\noption b 3\nlist l y\n";
    assert_eq!(sections(text), ["t s", "t cfg02b619"]);
    let document = document(text.as_bytes()).unwrap();
    let first = document.sections().next().unwrap();
    let entries: Vec<_> = first.entries().map(|entry| entry.value.to_vec()).collect();
    assert_eq!(entries, [b"1", b"3", b"y"]);
    assert_eq!(first.line(), 1);
    assert_eq!(first.entries().nth(1).unwrap().line, 7);
    let values = |index| document.sections().nth(index).map(|section| section.entries().count());
    assert_eq!([values(0), values(1), values(2)], [Some(3), Some(1), None]);
}

#[test]
fn an_anonymous_section_can_be_opened_again_by_the_name_that_libuci_gives_it() {
    let text = "config foo\noption a 1\nconfig foo cfg017389\noption a 2\n";
    assert_eq!(sections(text), ["foo cfg017389"]);
    assert_eq!(options(text), ["a=2"]);
    let at = error("config foo\nconfig bar cfg017389\n");
    assert_eq!((at.line, at.kind), (2, ErrorKind::TypeDiffers { first: 1 }));
}

#[test]
fn anonymous_sections_have_the_names_that_libuci_gives_them() {
    assert_eq!(
        sections("config foo\nconfig foo ''\nconfig bar x\nconfig foo\n"),
        ["foo cfg017389", "foo cfg027389", "bar x", "foo cfg047389"]
    );
    let many = "config vrrp_instance\n".repeat(17);
    assert_eq!(sections(&many)[16], "vrrp_instance cfg114863");
}

#[test]
fn names_and_types_are_those_that_libuci_allows() {
    assert_eq!(sections("config foo-bar.baz x\n"), ["foo-bar.baz x"]);
    assert_eq!(sections("config foo 123\n"), ["foo 123"]);
    assert_eq!(sections("config \"f#;'\" x\n"), ["f#;' x"]);
    for text in ["config foo 'b-r'", "config foo b.r", "package a.b"] {
        assert_eq!(error(text).kind, ErrorKind::NameCharacter, "{text}");
    }
    for text in ["option a-b c", "option a.b c", "list 'a b' c"] {
        let at = error(&format!("{SECTION}{text}\n"));
        assert_eq!((at.line, at.kind), (2, ErrorKind::NameCharacter), "{text}");
    }
    for text in ["config 'foo bar' x", "config für x", "config f\x7f x"] {
        assert_eq!(error(text).kind, ErrorKind::TypeCharacter, "{text}");
    }
}

#[test]
fn what_is_no_command_is_an_error_on_its_line() {
    for text in [
        "config\n",
        "option\n",
        "package\n",
        "'config' foo\n",
        ";config a b\n",
        "pa x\n",
        "optional a b\n",
        "Config foo\n",
        "\u{feff}config foo\n",
        "\\\noption a b\n",
        "option\x0ca b\n",
        "option a b ;\n",
        "option a b ;;\n",
        "option a 'b' ''  \n",
        "option a 'b' '' c\n",
    ] {
        let at = error(&format!("{SECTION}{text}"));
        assert_eq!((at.line, at.kind), (2, ErrorKind::Command), "{text:?}");
    }
}

#[test]
fn too_few_and_too_many_words_are_errors_on_their_line() {
    for text in ["option ", "option #x", "option '' x", "option ; a", "package ''", "config # x", "config ''"]
    {
        let at = error(&format!("{SECTION}{text}\n"));
        assert_eq!((at.line, at.kind), (2, ErrorKind::TooFewWords), "{text}");
    }
    for text in ["package", "config", "option", "list"] {
        let at = error(&format!("{SECTION}{text}"));
        assert_eq!((at.line, at.kind), (2, ErrorKind::TooFewWords), "{text}");
    }
    for text in [
        "config foo bar baz",
        "option a b c",
        "option x '' y",
        "list a b c",
        "package a b",
        "option a 'b'option c 'd'",
        "option a ;option c d",
    ] {
        let at = error(&format!("{SECTION}{text}\n"));
        assert_eq!((at.line, at.kind), (2, ErrorKind::TooManyWords), "{text}");
    }
}

#[test]
fn an_open_quote_is_reported_where_the_file_ends_with_the_line_that_opens_it() {
    for (text, quote) in [("option a 'x\nb\nc\n", b'\''), ("option a \"x\\\nb\nc\n", b'"')] {
        let at = error(&format!("{SECTION}{text}"));
        let kind = ErrorKind::OpenQuote { quote, opened: 2 };
        assert_eq!((at.line, at.kind), (4, kind));
    }
    let at = error(&format!("{SECTION}option a 'x"));
    assert_eq!(
        (at.line, at.problem().to_string()),
        (2, "the file ends inside the quote ' that line 2 opens: close it".into())
    );
}

#[test]
fn options_need_a_section() {
    for text in ["# comment\n\noption a b\n", "\npackage x\nlist a b\n"] {
        let at = error(text);
        assert_eq!((at.line, at.kind), (3, ErrorKind::BeforeSection));
    }
}

#[test]
fn a_name_has_one_type() {
    let at = error("config a b\noption x 1\nconfig zz b\noption q 1\n");
    assert_eq!((at.line, at.kind), (3, ErrorKind::TypeDiffers { first: 1 }));
}

#[test]
fn a_zero_byte_is_an_error() {
    let at = error("config foo bar\noption a 'b\0c'\n");
    assert_eq!((at.line, at.kind), (2, ErrorKind::ZeroByte));
}

#[test]
fn a_full_table_is_an_error_that_names_its_variable() {
    let line = "# a comment of 32 characters...\n";
    assert_eq!(line.len(), 32);
    let full = line.repeat(CONFIG_BYTES_MAX / 32);
    assert!(document(full.as_bytes()).is_ok());
    let at = error(&format!("{full}#"));
    assert_eq!(at.kind, ErrorKind::TooLong);
    assert!(at.problem().to_string().ends_with("VIPD_CONFIG_BYTES"));

    assert!(document("config foo\n".repeat(SECTIONS_MAX).as_bytes()).is_ok());
    let at = error(&"config foo\n".repeat(SECTIONS_MAX + 1));
    assert_eq!((at.line, at.kind), (SECTIONS_MAX as u32 + 1, ErrorKind::TooManySections));
    assert!(at.problem().to_string().ends_with("VIPD_SECTIONS"));

    let options = format!("c a\n{}", "l a b\n".repeat(OPTIONS_MAX));
    assert!(document(options.as_bytes()).is_ok());
    let at = error(&format!("{options}o c d\n"));
    assert_eq!((at.line, at.kind), (OPTIONS_MAX as u32 + 2, ErrorKind::TooManyOptions));
    assert!(at.problem().to_string().ends_with("VIPD_OPTIONS"));
}

#[test]
fn every_grammar_error_says_what_to_write_instead() {
    let golden = [
        (
            "optoin a b",
            "1: this is no command: begin the line with config, option or list and a blank, or with #",
        ),
        ("config ", "1: a word is missing: write config TYPE NAME, option NAME VALUE or list NAME VALUE"),
        ("config a b c", "1: too many words: put a value that has blanks in quotes"),
        ("config a b-c", "1: a name has a character that UCI does not allow: use letters, digits and _"),
        (
            "config é",
            "1: a section type has a character that UCI does not allow: use printable ASCII without blanks",
        ),
        ("config \"a\n", "1: the file ends inside the quote \" that line 1 opens: close it"),
        ("\noption a b", "2: an option stands before the first section: write a config line above it"),
        (
            "config a b\nconfig c b",
            "2: the section of line 1 has this name and another type: give one of them another name",
        ),
        ("config a\0", "1: there is a zero byte: write plain text"),
    ];
    for (text, expected) in golden {
        let at = error(text);
        assert_eq!(format!("{}: {}", at.line, at.problem()), expected);
    }
}

#[test]
fn a_failed_document_is_empty_and_can_be_used_again() {
    let mut document = Document::new();
    let mut parse = |text: &str| {
        document.buffer()[..text.len()].copy_from_slice(text.as_bytes());
        let outcome = document.parse(text.len());
        (outcome.is_ok(), document.sections().count(), show(&document))
    };
    assert_eq!(parse("config a b\noption c d\nnonsense\n"), (false, 0, vec![]));
    assert_eq!(parse("config a b\noption c d\n"), (true, 1, vec!["c=d".into()]));
    assert_eq!(parse(""), (true, 0, vec![]));
}
