//! The template language, form by form; what keepalived 2.2.7 does, told by its dump.

use super::{Files, import, import_files};

/// The virtual addresses that stand in the block of an instance.
fn addresses(before: &str, block: &str) -> Vec<String> {
    let text = format!(
        "{before}\nvrrp_instance A {{\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {{\n{block}\n }}\n}}\n"
    );
    let imported = import(&text);
    let first = imported.config.instances.first();
    let span = first.map(|instance| instance.v4.addresses).unwrap_or_default();
    span.of(&imported.config.addresses).iter().map(|address| address.address.to_string()).collect()
}

#[test]
fn a_comment_begins_wherever_no_quote_is() {
    assert_eq!(addresses("", "10.0.0.1 # 10.0.0.2\n! 10.0.0.3\n10.0.0.4!x"), ["10.0.0.1", "10.0.0.4"]);
    let imported = import("vrrp_script a {\n script \"/bin/a #1 !2\" # three\n}\n");
    assert!(imported.text.contains("option script '/bin/a #1 !2'\n"), "{}", imported.text);
}

#[test]
fn braces_stand_where_they_like() {
    let imported = import(
        "vrrp_instance A{ interface eth0\nvirtual_router_id 1 }vrrp_instance B\n{\ninterface eth0\n\
         virtual_router_id 2\nvirtual_ipaddress\n\n{ 10.0.0.2 } priority 7 }\n",
    );
    assert_eq!(imported.config.instances.len(), 1, "{}", imported.said);
    assert_eq!(imported.config.instances[0].priority, 7);
    assert!(imported.said.contains("k.conf:1: vrrp_instance A: vrrp_instance has no virtual_ipaddress"));
}

#[test]
fn quotes_hold_a_word_together_also_inside_one() {
    let imported = import("vrrp_script a {\n script /bin/\"a b\"'c  d'\\\n}\n");
    assert!(imported.said.contains("script '/bin/a bc  d\\' cannot be run"), "{}", imported.said);
    let imported = import("vrrp_script a {\n script \"/bin/a \\\"b\\\" c\"\n}\n");
    assert!(imported.said.contains("script '/bin/a \"b\" c' cannot be run"), "{}", imported.said);
}

#[test]
fn a_definition_is_replaced_when_it_is_used_and_not_when_it_is_made() {
    let definitions = "$BASE=10.2.${SUB}\n$SUB=0\n$A=${BASE}.1\n";
    assert_eq!(
        addresses(definitions, "$A\n$SUB=10\n${A}/32\n$BASE=10.9.9\n${BASE}.4"),
        ["10.2.0.1", "10.2.10.1", "10.9.9.4"]
    );
    assert_eq!(addresses("$A=10.0.0.1", "$A/32\nx$A\n${A}"), ["10.0.0.1"], "a bare name ends with a blank");
}

#[test]
fn lines_belong_to_hosts() {
    assert_eq!(
        addresses("", "@main 10.0.0.1\n@other 10.0.0.2\n@^main 10.0.0.3\n@^other 10.0.0.4"),
        ["10.0.0.1", "10.0.0.4"]
    );
    assert_eq!(
        addresses("@main $A=10.0.0.1\n@other $A=10.0.0.2\n$B=@other", "$A\n$B 10.0.0.3"),
        ["10.0.0.1"]
    );
}

#[test]
fn sequences_and_lists_repeat_a_line() {
    let last = |block: &str| -> Vec<String> {
        let all = addresses("", block);
        all.iter().map(|address| address.trim_start_matches("10.0.").to_string()).collect()
    };
    assert_eq!(last("~SEQ(A,0,3) 10.0.0.1${A}"), ["0.10", "0.11", "0.12", "0.13"]);
    assert_eq!(last("~SEQ(A, 3) 10.0.0.${A}"), ["0.1", "0.2", "0.3"]);
    assert_eq!(last("~SEQ(A, 9, -4, 1) 10.0.0.${A}"), ["0.9", "0.5", "0.1"]);
    assert_eq!(last("~SEQ(A, 2, 1) 10.0.0.${A}"), ["0.2", "0.1"]);
    assert_eq!(last("~SEQ(A,1,2) ~LST(B,7,8) 10.0.${A}.${B}"), ["1.7", "1.8", "2.7", "2.8"]);
    assert_eq!(
        last("~LST({A, B}, {10,1},{20,4}) ~SEQ(C,1,2) 10.0.${A}.${B}${C}"),
        ["10.11", "10.12", "20.41", "20.42"]
    );
    assert_eq!(last("~SEQ(A,1,2,1,2) 10.0.0.${A}\n10.0.0.9"), ["0.9"]);
}

#[test]
fn what_stands_for_itself_ends() {
    for text in ["$A=$A\n$A\n", "$A=x ${A} ${A}\n$A\n", "~SEQ(A,1,999999999) @x\n"] {
        let imported = import(text);
        assert_eq!(imported.left, None);
        assert!(imported.said.contains("k.conf:"), "{}", imported.said);
    }
}

#[test]
fn files_include_files_beside_them_in_the_order_of_names() {
    let files = Files::from([
        ("k.conf", &b"include d/*.conf\ninclude d/b.d/x\n"[..]),
        ("d/2.conf", b"include b.d/y\n router_id b\n}\n"),
        ("d/1.conf", b"global_defs {\n"),
        ("d/.3.conf", b"hidden\n"),
        ("d/b.d/x", b"x\n"),
        ("d/b.d/y", b"y\n"),
    ]);
    let imported = import_files(&files, "");
    assert_eq!(imported.text, "config globals\n\toption router_id 'b'\n");
    let places: Vec<_> = imported.said.lines().map(|line| line.rsplit_once(": ").unwrap().0).collect();
    assert_eq!(places, ["d/b.d/y:1: y", "d/b.d/x:1: x"]);
}

#[test]
fn a_file_that_includes_itself_and_one_that_is_not_there_are_named() {
    let files = Files::from([("k.conf", &b"include k.conf\n"[..])]);
    assert!(import_files(&files, "").said.contains("too many files include one another"));
    let files =
        Files::from([("k.conf", &b"include a.conf\ninclude a/*\nglobal_defs { router_id a\n}\n"[..])]);
    let imported = import_files(&files, "");
    assert_eq!(imported.said, "k.conf:1: include a.conf: there is no such file\n");
    assert_eq!(imported.left, Some(1));
    let nothing = import_files(&Files::new(), "");
    assert_eq!((nothing.left, nothing.said.as_str()), (None, "k.conf:0: there is no such file\n"));
}

#[test]
fn a_file_that_is_too_long_is_refused_as_a_whole() {
    let long = "# a comment of some length that fills the file up\n".repeat(10_000);
    let imported = import(&long);
    assert_eq!(imported.left, None);
    assert!(imported.said.contains("VIPD_IMPORT_BYTES"), "{}", imported.said);
}

#[test]
fn what_does_not_fit_one_configuration_is_named_and_the_rest_stays() {
    let text = "$A= \\\nvrrp_instance I${N} { \\\ninterface eth0 \\\nvirtual_router_id ${N} \\\n\
                virtual_ipaddress { \\\n10.0.0.${N} \\\n} \\\n}\n~SEQ(N, 1, 40) $A\n";
    let imported = import(text);
    let most = vipd::limits::INSTANCES_MAX;
    assert_eq!(imported.config.instances.len(), most);
    assert_eq!(imported.said.matches("VIPD_VIRTUAL_ROUTERS").count(), 40 - most, "{}", imported.said);
}

#[test]
fn no_byte_of_a_value_is_more_than_a_value() {
    let imported =
        import("global_defs {\n router_id \"a'b\\\" # ; config\"\n}\nvrrp_script a\x01b {\n script /a\n}\n");
    assert!(imported.said.contains("router_id"), "{}", imported.said);
    assert!(imported.said.contains("control characters"), "{}", imported.said);
    let imported = import("vrrp_script a\"'\"b;c {\n script /a\n}\n");
    assert!(imported.text.contains("option name 'a'\\''b;c'\n"), "{}", imported.text);
}
