use proptest::prelude::*;

use super::*;

fn arrival() -> ServerTime {
    ServerTime::from_millis(1_565_382_027_500)
}

const RECORD: &str = r##"{"type": {"device": "mobile", "event": "user_clicked_submit_button"}, "customer_id": "1234567890", "event_timestamp": 1565382027, "ms": 1565382027123, "region": "sample_region", "n": 1.1, "one": 1.0, "big": 9007199254740991, "t": true, "nothing": null, "list": ["a", "b", "c"], "nums": [3, 1, 2], "iso": "2019-08-09T20:20:27Z", "text": "Hello, World", "nested": "{\"x\":5}", "path": "a/b/c", "e": 1000.0, "neg": -2.5}"##;

/// Queries, and what jq 1.6 gives for the record, with `map_values(tostring)` behind.
const ANSWERS: &[(&str, &str)] = &[
    (
        r#"{customer_id:.customer_id,device:.type.device,year:.event_timestamp|strftime("%Y"),month:.event_timestamp|strftime("%m"),day:.event_timestamp|strftime("%d"),hour:.event_timestamp|strftime("%H")}"#,
        r#"{"customer_id":"1234567890","day":"09","device":"mobile","hour":"20","month":"08","year":"2019"}"#,
    ),
    (r#"{a:.region}"#, r#"{"a":"sample_region"}"#),
    (r#"{"a":.region}"#, r#"{"a":"sample_region"}"#),
    (r#"{region}"#, r#"{"region":"sample_region"}"#),
    (r#"{a:.type["device"]}"#, r#"{"a":"mobile"}"#),
    (
        r#".type"#,
        r#"{"device":"mobile","event":"user_clicked_submit_button"}"#,
    ),
    (r#"{a:(.missing // "none")}"#, r#"{"a":"none"}"#),
    (r#"{a:(.nothing // .region)}"#, r#"{"a":"sample_region"}"#),
    (r#"{a:.n}"#, r#"{"a":"1.1"}"#),
    (r#"{a:.one}"#, r#"{"a":"1"}"#),
    (r#"{a:.big}"#, r#"{"a":"9007199254740991"}"#),
    (r#"{a:.t}"#, r#"{"a":"true"}"#),
    (r#"{a:.e}"#, r#"{"a":"1000"}"#),
    (r#"{a:.neg}"#, r#"{"a":"-2.5"}"#),
    (
        r#"{a:(.one|tostring),b:"\(.n)x",c:(.e|tostring)}"#,
        r#"{"a":"1","b":"1.1x","c":"1000"}"#,
    ),
    (r#"{a:(.ms/1000|floor)}"#, r#"{"a":"1565382027"}"#),
    (
        r#"{a:(.ms/1000|strftime("%Y-%m-%dT%H:%M:%SZ"))}"#,
        r#"{"a":"2019-08-09T20:20:27Z"}"#,
    ),
    (
        r#"{a:(if .customer_id == "1" then "x" elif .t then "y" else "z" end)}"#,
        r#"{"a":"y"}"#,
    ),
    (
        r#"{a:.list[0],b:.list[-1],c:(.list|length),d:(.list|join("-"))}"#,
        r#"{"a":"a","b":"c","c":"3","d":"a-b-c"}"#,
    ),
    (
        r#"{a:(.nums|add),b:(.nums|max),c:(.nums|sort|first),d:(.nums|map(.*2)|last)}"#,
        r#"{"a":"6","b":"3","c":"1","d":"4"}"#,
    ),
    (
        r#"{a:(.text|ascii_downcase),b:(.text|ascii_upcase),c:(.text|length)}"#,
        r#"{"a":"hello, world","b":"HELLO, WORLD","c":"12"}"#,
    ),
    (
        r#"{a:(.text|split(", ")|.[1]),b:(.path|split("/")[1])}"#,
        r#"{"a":"World","b":"b"}"#,
    ),
    (
        r#"{a:(.text|test("world";"i")),b:(.text|sub("World";"jq")),c:(.text|gsub("l";"L"))}"#,
        r#"{"a":"true","b":"Hello, jq","c":"HeLLo, WorLd"}"#,
    ),
    (
        r#"{a:(.text|capture("(?<first>[A-Z])").first)}"#,
        r#"{"a":"H"}"#,
    ),
    (r#"{a:(.nested|fromjson|.x)}"#, r#"{"a":"5"}"#),
    (
        r#"{a:(.iso|fromdate),b:(.iso|fromdateiso8601|strftime("%d"))}"#,
        r#"{"a":"1565382027","b":"09"}"#,
    ),
    (
        r#"{a:(.event_timestamp|todate)}"#,
        r#"{"a":"2019-08-09T20:20:27Z"}"#,
    ),
    (
        r#"{a:(.event_timestamp|gmtime|mktime)}"#,
        r#"{"a":"1565382027"}"#,
    ),
    (
        r#"{a:(.list|index("b")),b:(.list|contains(["a"])),c:(.type|has("device"))}"#,
        r#"{"a":"1","b":"true","c":"true"}"#,
    ),
    (
        r#"{a:(.type|keys|join(",")),b:(.type|to_entries|length)}"#,
        r#"{"a":"device,event","b":"2"}"#,
    ),
    (
        r#"{a:(.text[0:5]),b:(.text|ltrimstr("Hel")),c:(.text|rtrimstr("ld"))}"#,
        r#"{"a":"Hello","b":"lo, World","c":"Hello, Wor"}"#,
    ),
    (
        r#"{a:(.customer_id|tonumber),b:(.customer_id|tonumber % 7)}"#,
        r#"{"a":"1234567890","b":"3"}"#,
    ),
    (
        r#"{a:(.text|@base64),b:("aGk="|@base64d),c:(.text|@uri)}"#,
        r#"{"a":"SGVsbG8sIFdvcmxk","b":"hi","c":"Hello%2C%20World"}"#,
    ),
    (
        r#"{a:([.list[]|select(. != "b")]|join(""))}"#,
        r#"{"a":"ac"}"#,
    ),
    (r#"{a:(reduce .nums[] as $x (0; . + $x))}"#, r#"{"a":"6"}"#),
    (
        r#"{a:([range(3)]|map(tostring)|join(".")),b:([limit(2;.list[])]|length)}"#,
        r#"{"a":"0.1.2","b":"2"}"#,
    ),
    (
        r#"{a:(.list|any(. == "b")),b:(.nums|all(. > 0))}"#,
        r#"{"a":"true","b":"true"}"#,
    ),
    (r#". as {type:{device:$d}} | {a:$d}"#, r#"{"a":"mobile"}"#),
    (r#"{a:(try error("x") catch .)}"#, r#"{"a":"x"}"#),
    (r#"{a:(.a.b.c // "deep")}"#, r#"{"a":"deep"}"#),
    (
        r#"{a:(.list|.[1:]|join("+")),b:([.list[]]|reverse|join(""))}"#,
        r#"{"a":"b+c","b":"cba"}"#,
    ),
    (
        r#"{a:([.nums[]|.+1]|unique|map(tostring)|join(","))}"#,
        r#"{"a":"2,3,4"}"#,
    ),
    (
        r#"def pad: if length < 4 then "0" + . else . end; {a:("7"|pad)}"#,
        r#"{"a":"07"}"#,
    ),
    (
        r#"del(.type,.list,.nums,.nothing)|{a:(keys|length)}"#,
        r#"{"a":"14"}"#,
    ),
    (
        r#"{a:(.type|with_entries(.value|=length)|.device)}"#,
        r#"{"a":"6"}"#,
    ),
    (
        r#"{a:(10/4),b:(10/5),c:(7%3),d:(1-3),e:(2*3)}"#,
        r#"{"a":"2.5","b":"2","c":"1","d":"-2","e":"6"}"#,
    ),
    (r#"{a:("ab"*3)}"#, r#"{"a":"ababab"}"#),
    (r#"{a:(.list|tojson)}"#, r#"{"a":"[\"a\",\"b\",\"c\"]"}"#),
    (r#"{a:([.. | numbers]|length)}"#, r#"{"a":"10"}"#),
    (r#"{a:([paths]|length)}"#, r#"{"a":"26"}"#),
    (r#"{a:(.type|getpath(["device"]))}"#, r#"{"a":"mobile"}"#),
    (r#"{a:(.text|explode|implode)}"#, r#"{"a":"Hello, World"}"#),
    (r#"{a:([.list,.nums]|flatten|length)}"#, r#"{"a":"6"}"#),
    (
        r#"{a:(.nums|min_by(.)),b:(.list|group_by(.)|length)}"#,
        r#"{"a":"1","b":"3"}"#,
    ),
    (
        r#"{a:("x"|ascii_downcase|startswith("x")),b:("xy"|endswith("y"))}"#,
        r#"{"a":"true","b":"true"}"#,
    ),
    (r#"{a:([while(. < 100; . * 2)?]|length)}"#, r#"{"a":"0"}"#),
    (r#"{a:(1|until(. > 100; . * 2))}"#, r#"{"a":"128"}"#),
    (r#"{a:([1|limit(5;repeat(. * 2))]|add)}"#, r#"{"a":"10"}"#),
    (r#"{a:([1,[2]]|tostring)}"#, r#"{"a":"[1,[2]]"}"#),
    (
        r#"{a:("2015-03-05T23:51:47Z"|strptime("%Y-%m-%dT%H:%M:%SZ")|mktime)}"#,
        r#"{"a":"1425599507"}"#,
    ),
    (r#"{a:(.ms|tostring|.[0:4])}"#, r#"{"a":"1565"}"#),
    (
        r#"{a:(.list|to_entries|map("\(.key)=\(.value)")|join("&"))}"#,
        r#"{"a":"0=a&1=b&2=c"}"#,
    ),
    (
        r#"{a:@text "id-\(.customer_id)"}"#,
        r#"{"a":"id-1234567890"}"#,
    ),
    (r#"{a:(.nums as [$x,$y] | $x+$y)}"#, r#"{"a":"4"}"#),
    (
        r#"{a:first(.list[]),b:([.list[]]|last)}"#,
        r#"{"a":"a","b":"c"}"#,
    ),
    (
        r#"{a:(.event_timestamp - (.event_timestamp % 3600))}"#,
        r#"{"a":"1565380800"}"#,
    ),
    (
        r#"{a:(-1|fabs),b:(2|pow(.;10)),c:(10|log10)}"#,
        r#"{"a":"1","b":"1024","c":"1"}"#,
    ),
    (
        r#"{a:(.type.device|.[:3]), b:([splits("x")?]|length)}"#,
        r#"{"a":"mob","b":"0"}"#,
    ),
    (r#"{a:("a,b"|split(",";null)|.[0])}"#, r#"{"a":"a"}"#),
];

/// Members that one object may have.
const MEMBERS: usize = 100;

fn run(query: &str, record: &str) -> Result<BTreeMap<String, String>, String> {
    let query = Query::compile(query).map_err(|fault| fault.to_string())?;
    query
        .run(record.as_bytes(), arrival())
        .map_err(|failure| failure.message)
}

fn refusal(query: &str) -> String {
    Query::compile(query)
        .expect_err("the query was accepted")
        .to_string()
}

#[test]
fn queries_give_what_jq_gives() {
    let mut wrong = Vec::new();
    for (query, expected) in ANSWERS {
        let found = run(query, RECORD);
        let expected: BTreeMap<String, String> = serde_json::from_str(expected).unwrap();
        if found.as_ref() != Ok(&expected) {
            wrong.push(format!("{query}\n  gives {found:?}\n  not   {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_record_without_a_valid_object_of_keys_fails() {
    for (query, record, reason) in [
        ("{a: .a}", "text", "Non JSON record provided"),
        ("{a: .a}", r#"{"a":1}{"a":2}"#, "Non JSON record provided"),
        (
            "{a: .a}",
            "{}",
            "partitionKeys values must not be null or empty",
        ),
        (
            "{a: .a}",
            r#"{"a":""}"#,
            "partitionKeys values must not be null or empty",
        ),
        (
            "{a: .a}",
            r#"{"a":[1]}"#,
            "the value of \"a\" is not a scalar",
        ),
        (
            "{a: .a}",
            r#"{"a":{}}"#,
            "the value of \"a\" is not a scalar",
        ),
        ("{a: .a}", "[]", "cannot index"),
        (".a", r#"{"a":1}"#, "the query does not give an object"),
        ("empty", "{}", "the query does not give one object"),
        ("{a: (1,2)}", "{}", "the query does not give one object"),
        ("error(\"my reason\")", "{}", "my reason"),
    ] {
        let found = run(query, record).expect_err("it was accepted");
        assert!(found.contains(reason), "{query} on {record} gave {found:?}");
    }
    let long = |length| format!("{{\"a\":\"{}\"}}", "x".repeat(length));
    assert!(run("{a: .a}", &long(1_024)).is_ok());
    let found = run("{a: .a}", &long(1_025)).unwrap_err();
    assert_eq!(
        found,
        "the value of \"a\" has 1025 bytes; 1024 are the most"
    );
}

#[test]
fn now_is_when_the_record_arrived() {
    let keys = run("{a: now, b: (now | strftime(\"%H\"))}", "{}").unwrap();
    assert_eq!(keys["a"], "1565382027.5");
    assert_eq!(keys["b"], "20");
}

#[test]
fn whole_numbers_stay_exact() {
    let keys = run("{a: .a, b: (.a + 1)}", r#"{"a":9007199254740993}"#).unwrap();
    assert_eq!(keys["a"], "9007199254740993");
    assert_eq!(keys["b"], "9007199254740994");
}

#[test]
fn the_world_is_out_of_reach() {
    for query in [
        "env",
        "$ENV",
        "$__prog_args",
        "input",
        "inputs",
        "debug",
        "debug(1)",
        "combinations",
        "stderr",
        "halt",
        "halt_error",
        "input_filename",
        "localtime",
        "strflocaltime(\"%H\")",
        "get_search_list",
        "limit(1; env)",
        "include \"a\"; .",
        "import \"a\" as a; .",
        "afflux_tick",
        "afflux_contains(1)",
        "$x",
        "nothing",
        "",
        "{a: .a",
    ] {
        let reason = refusal(query);
        let expected = "the metadata extraction query cannot be used: it";
        assert!(reason.starts_with(expected), "{query} gave {reason:?}");
    }
}

#[test]
fn functions_of_the_user_do_not_recurse() {
    for query in [
        "def f: f; f",
        "def f: def g: f; g; f",
        "def f($n): f($n + 1); f(0)",
        "def f: [f]; 1",
        "def f(g): g | g; f(.)",
        "def f: . |= f; f",
    ] {
        let reason = refusal(query);
        assert!(
            reason.contains("calls itself") || reason.contains("takes a filter"),
            "{query} gave {reason:?}"
        );
    }
    let keys = run("def f($n): {a: $n}; def g: f(2); g", "{}").unwrap();
    assert_eq!(keys["a"], "2");
    // As a path, a fold would recurse once for each value.
    let reason = refusal("reduce .[] as $x (.; .[0] += 1)");
    assert!(
        reason.contains("reduce or foreach and an assignment"),
        "{reason}"
    );
}

#[test]
fn nothing_runs_for_ever_or_takes_all_memory() {
    let big: String = serde_json::to_string(&vec![0; 5_000]).unwrap();
    for query in [
        "[repeat(.)]",
        "until(false; .)",
        "[while(true; .)]",
        "last(recurse(.))",
        "[recurse]|[recurse]|[recurse]|length",
        "[range(1e18)]",
        "[range(0; 1; 0)]",
        "reduce range(1e18) as $x (0; . + 1)",
        "last(range(infinite))",
        "try repeat(error) catch repeat(.)",
        "[.[] as $a | .[] as $b | $a + $b]",
        "[limit(1e18; repeat(1))]",
        "isempty(repeat(empty))",
        "first(range(1e18) | select(. < 0))",
        "any(range(1e18); false)",
        "reduce range(100) as $x (\"xx\"; . + .)",
        "reduce range(100) as $x ([1]; . + .)",
        "reduce range(100) as $x ([1]; [., .]) | tojson",
        "reduce range(100) as $x ([1]; [., .]) | . == .",
        "reduce range(100000) as $x (0; [.])",
        "reduce range(100000) as $x (0; {a: .})",
        "reduce range(100) as $x (2; . * .)",
        "\"x\" * 1e18",
        "\"x\" * 1000000000000000000000",
        "\"x\" * 5000000",
        "[(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)|(1,1)]",
        "contains(.)",
        ". - .",
        "indices(.[0:2500])",
        "[.[]|tojson]|join(\"x\")*100|test(\"(x?){100}y\")",
        "tojson|test(\"((0{0,1000}){0,1000}){0,1000}1\")",
        "\"00\"|split(\"(?:0{0,1000}){0,1000}1\"; null)",
        "setpath([range(100000)|\"a\"]; 1)",
        "getpath([range(100000)|\"a\"])",
        "delpaths([[range(100000)|\"a\"]])",
        "\"\\(range(1e18))\"",
        "{a: range(1e18)}",
        "[.[]|.]|sort_by(range(1e9))",
        "{} | .[range(1e18)|tostring] = 1",
        "[splits(\"\"; \"g\")] | repeat(.)",
        "walk(repeat(1))",
        "tostring|ascii_downcase|[match(\".\"; \"g\")|.string]|[.[] as $x|.[] as $y|1]",
        "[paths]|[paths]|[paths]|[paths]|[paths]|length",
        "limit(0; repeat(1)), [repeat(1)]",
        "label $out | repeat(.) | if . == 1 then break $out else . end",
        "[foreach range(1e18) as $x (0; .+$x; .)]",
        "path(repeat(.))|.[0]",
    ] {
        let mut compiled = Query::compile(query).unwrap();
        compiled.fuel = 100_000;
        let failure = compiled.run(big.as_bytes(), arrival()).expect_err(query);
        let known = !failure.message.contains("cannot be computed");
        assert!(known, "{query} gave {failure:?}");
    }
}

#[test]
fn numbers_out_of_range_are_errors() {
    for (query, value) in [
        (".a|strftime(\"%Y\")", "1565382027000000000"),
        (".a|strftime(\"%Y\")", "9223372036854775807"),
        (".a|strftime(\"%Y\")", "-9223372036854775808"),
        (".a|strftime(\"%Y\")", "1e300"),
        (".a|strftime(\"%Y\")", "[2020,127,1,0,0,0,0,0]"),
        (".a|mktime", "[2020,127,1,0,0,0]"),
        (".a|mktime", "[2020,-128,1,0,0,0]"),
        (".a|gmtime", "9223372036854775807"),
        (".a|todate", "9223372036854775807"),
        (".a|fromdate", "\"99999-01-01T00:00:00Z\""),
    ] {
        let query = format!("{{k: ({query}|tostring)}}");
        let record = format!("{{\"a\":{value}}}");
        let result = run(&query, &record);
        let reason = result.as_ref().err();
        let known = reason.is_some_and(|reason| !reason.contains("cannot be computed"));
        assert!(known, "{query} of {value} gave {result:?}");
    }
    for query in [
        "-(.a)", ".a % -1", ".a / -1", ".a - 1", "[1][.a]", ".a|abs", "[1][.a:]", ".a|floor",
    ] {
        let record = r#"{"a":-9223372036854775808}"#;
        let result = run(&format!("{{k: ({query}|tostring)}}"), record);
        let panicked = |reason: &String| reason.contains("cannot be computed");
        assert!(
            !result.as_ref().is_err_and(panicked),
            "{query} gave {result:?}"
        );
    }
}

#[test]
fn queries_that_are_nested_deep_are_refused() {
    let repeat = |text: &str| text.repeat(QUERY_BYTES_MAX / text.len());
    for query in [
        repeat("("),
        repeat("["),
        repeat("-"),
        repeat("- "),
        repeat(".|"),
        repeat("try "),
        repeat("if "),
        repeat(".,"),
        repeat("1+"),
        repeat("1 //"),
        repeat(".a."),
        repeat("\"\\("),
        repeat("def f:"),
        repeat(". as $x|"),
        repeat("{a:"),
        repeat("1 as [$a]|"),
        repeat("label $x|"),
        repeat("reduce "),
        "x".repeat(QUERY_BYTES_MAX + 1),
    ] {
        for end in ["", "1", "."] {
            let text = format!("{query}{end}");
            assert!(Query::compile(&text).is_err(), "{text} was accepted");
        }
    }
    let wide: Vec<String> = (0..=MEMBERS).map(|n| format!("k{n}:.a")).collect();
    assert!(refusal(&format!("{{{}}}", wide.join(","))).contains("members"));
    let fits = format!("{{{}}}", wide[..MEMBERS].join(","));
    assert_eq!(run(&fits, r#"{"a":1}"#).unwrap().len(), MEMBERS);
}

#[test]
fn deep_records_are_errors() {
    let deep = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(run("{a: 1}", &deep(100)).is_ok());
    assert!(run("{a: 1}", &deep(100_000)).is_err());
    let text = serde_json::to_string(&deep(100_000)).unwrap();
    assert!(run("fromjson | {a: 1}", &text).is_err());
}

proptest! {
    #[test]
    fn no_text_breaks_the_compiler(
        query in r#"(\.|\[|\]|\{|\}|\(|\)|\||,|:|"|\\|a|1|-| as | def |reduce |\$x|\?|//|@text|=|\+){0,24}"#
    ) {
        drop(run(&query, RECORD));
    }
}
