use super::super::facts::Stack;
use super::super::template::Template;
use super::*;

/// An account with room for the template's defaults, and a running stack.
fn account() -> Facts {
    Facts {
        stack: Ok(Some(Stack { status: "UPDATE_COMPLETE".to_owned(), ..Stack::default() })),
        concurrency: Ok(Concurrency { limit: 1_000, unreserved: 1_000, reserved_by_stack: 0 }),
        gateway: Ok(Gateway { rate: 10_000, burst: 5_000 }),
        write_quota: Ok(40_000),
        read_quota: Ok(40_000),
        votes: Ok(Some(NEW_TABLE)),
        tallies: Ok(Some(NEW_TABLE)),
    }
}

/// An account with the quotas that README recommends before a show with 60,000 votes/s.
fn account_of_a_show() -> Facts {
    Facts {
        concurrency: Ok(Concurrency { limit: 21_000, unreserved: 21_000, reserved_by_stack: 0 }),
        gateway: Ok(Gateway { rate: 150_000, burst: 75_000 }),
        write_quota: Ok(256_000),
        ..account()
    }
}

/// README's parameters for that show.
const SHOW: [(&str, &str); 9] = [
    ("ThrottleRate", "75000"),
    ("ThrottleBurst", "75000"),
    ("DeviceThrottleRate", "75000"),
    ("DeviceThrottleBurst", "75000"),
    ("RelayReservedConcurrency", "100"),
    ("TallyReservedConcurrency", "32"),
    ("WarmVotesWriteUnits", "256000"),
    ("WarmTalliesWriteUnits", "64000"),
    ("MinLanes", "4"),
];

fn judged(facts: &Facts, given: &[(&str, &str)]) -> Vec<Row> {
    let template = Template::read().unwrap();
    let mut parameters = template.defaults();
    parameters.insert("AlarmEmail".to_owned(), "you@example.org".to_owned());
    parameters.extend(given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let environments = template.environments("landslide", &parameters);
    let (function, bytes) = environments.iter().max_by_key(|(_, bytes)| **bytes).unwrap();
    rows(
        &Wanted { parameters: &parameters, environment: (function, *bytes), refused: &template.refused(&parameters) },
        facts,
    )
}

/// The rows that are not ok: what, short by, and the verdict.
fn troubles(facts: &Facts, given: &[(&str, &str)]) -> Vec<(String, String, Verdict)> {
    let rows = judged(facts, given).into_iter().filter(|row| row.verdict != Verdict::Ok);
    rows.map(|row| (row.what, row.short_by, row.verdict)).collect()
}

fn trouble(what: &str, short_by: &str, verdict: Verdict) -> (String, String, Verdict) {
    (what.to_owned(), short_by.to_owned(), verdict)
}

fn unreadable<T>() -> Reading<T> {
    Err(Unread("these credentials lack some:Right".to_owned()))
}

#[test]
fn the_defaults_go_into_a_usual_account() {
    assert_eq!(troubles(&account(), &[]), []);
    let new = Facts { stack: Ok(None), votes: Ok(None), tallies: Ok(None), ..account() };
    assert_eq!(troubles(&new, &[]), []);
}

#[test]
fn quotas_of_the_readme_are_enough_for_its_show() {
    assert_eq!(troubles(&account_of_a_show(), &SHOW), []);
}

#[test]
fn a_show_in_a_usual_account_is_short_of_everything() {
    let expected = [
        trouble("Lambda concurrency for the throttles", "19,132", Verdict::Warning),
        trouble("API Gateway, requests/s", "140,000", Verdict::Warning),
        trouble("API Gateway, burst", "70,000", Verdict::Warning),
        trouble("DynamoDB write units of a table", "216,000", Verdict::Stops),
    ];
    assert_eq!(troubles(&account(), &SHOW), expected);
}

#[test]
fn what_can_not_be_read_warns_and_names_the_right() {
    let facts = Facts {
        concurrency: unreadable(),
        gateway: unreadable(),
        write_quota: unreadable(),
        read_quota: unreadable(),
        votes: unreadable(),
        tallies: unreadable(),
        ..account()
    };
    let rows = judged(&facts, &SHOW);
    let unread: Vec<&Row> = rows.iter().filter(|row| row.has == "could not be read").collect();
    assert_eq!(unread.len(), 8, "{rows:?}");
    for row in unread {
        assert_eq!((row.verdict, row.remedy.as_str()), (Verdict::Warning, "these credentials lack some:Right"));
    }
    assert!(rows.iter().all(|row| row.verdict <= Verdict::Warning));
}

#[test]
fn a_state_that_can_not_be_read_stops() {
    let facts = Facts { stack: unreadable(), ..account() };
    assert_eq!(troubles(&facts, &[]), [trouble("stack's state", "", Verdict::Stops)]);
}

#[test]
fn a_new_account_throttles_and_can_not_reserve() {
    let tiny = Facts { concurrency: Ok(Concurrency { limit: 10, unreserved: 10, reserved_by_stack: 0 }), ..account() };
    assert_eq!(troubles(&tiny, &[]), [trouble("Lambda concurrency for the throttles", "963", Verdict::Warning)]);
    assert!(troubles(&tiny, &[("RelayReservedConcurrency", "1")]).contains(&trouble(UNRESERVED, "1", Verdict::Stops)));
}

#[test]
fn a_hundred_must_stay_unreserved() {
    let reserve = |units| troubles(&account(), &[("RelayReservedConcurrency", units)]);
    let refused = |short_by| trouble(UNRESERVED, short_by, Verdict::Stops);
    assert!(!reserve("900").iter().any(|(what, ..)| what == UNRESERVED));
    assert!(reserve("901").contains(&refused("1")));
    assert!(reserve("2000").contains(&refused("1,100")));
}

#[test]
fn what_the_stack_has_reserved_already_is_its_own() {
    let has = Concurrency { limit: 1_000, unreserved: 100, reserved_by_stack: 900 };
    let facts = Facts { concurrency: Ok(has), ..account() };
    assert!(!troubles(&facts, &[("RelayReservedConcurrency", "900")]).iter().any(|(what, ..)| what == UNRESERVED));
    assert!(troubles(&facts, &[("RelayReservedConcurrency", "901")]).iter().any(|(what, ..)| what == UNRESERVED));
}

#[test]
fn tally_needs_what_it_may_use() {
    let stops = [trouble("TallyReservedConcurrency", "1", Verdict::Stops)];
    assert_eq!(troubles(&account_of_a_show(), &[("TallyReservedConcurrency", "31")]), stops);
    assert_eq!(troubles(&account_of_a_show(), &[("TallyReservedConcurrency", "32")]), []);
}

#[test]
fn warm_throughput_is_never_lowered() {
    let warm = |writes, reads| Facts { votes: Ok(Some(Warm { writes, reads })), ..account() };
    let writes = |units| [("WarmVotesWriteUnits", units)];
    assert_eq!(troubles(&warm(30_000, 12_000), &writes("30000")), []);
    assert_eq!(
        troubles(&warm(30_000, 12_000), &writes("29999")),
        [trouble("WarmVotesWriteUnits", "1", Verdict::Stops)]
    );
    // A parameter of 0 leaves the table alone.
    assert_eq!(troubles(&warm(30_000, 90_000), &writes("0")), []);
    // A new table has 4,000 and 12,000.
    let new = Facts { votes: Ok(None), tallies: Ok(None), ..account() };
    assert_eq!(troubles(&new, &writes("3999")), [trouble("WarmVotesWriteUnits", "1", Verdict::Stops)]);
    let reads = [("WarmTalliesReadUnits", "11000")];
    assert_eq!(troubles(&new, &reads), [trouble("WarmTalliesReadUnits", "1,000", Verdict::Stops)]);
}

#[test]
fn warm_throughput_keeps_within_the_quota_of_its_own_unit() {
    let quota = |what| trouble(what, "1", Verdict::Stops);
    let writes = [("WarmTalliesWriteUnits", "40001")];
    assert_eq!(troubles(&account(), &writes), [quota("DynamoDB write units of a table")]);
    let reads = [("WarmVotesReadUnits", "40001")];
    assert_eq!(troubles(&account(), &reads), [quota("DynamoDB read units of a table")]);
}

#[test]
fn a_wide_table_wants_four_lanes() {
    let warns = [trouble("MinLanes", "3", Verdict::Warning)];
    let once_wide = Facts { votes: Ok(Some(Warm { writes: 256_000, reads: 12_000 })), ..account_of_a_show() };
    assert_eq!(troubles(&once_wide, &[]), warns);
    assert_eq!(troubles(&account_of_a_show(), &[("WarmVotesWriteUnits", "256000")]), warns);
    assert_eq!(troubles(&account_of_a_show(), &[("WarmVotesWriteUnits", "255999")]), []);
    assert_eq!(troubles(&once_wide, &[("MinLanes", "4")]), []);
}

#[test]
fn nobody_who_hears_the_alarms_is_a_warning() {
    let nobody = [("AlarmEmail", "")];
    assert_eq!(troubles(&account(), &nobody), [trouble("who hears the alarms", "", Verdict::Warning)]);
    assert_eq!(troubles(&account(), &[("AlarmEmail", ""), ("AlarmTopicArn", "arn:aws:sns:a:1:b")]), []);
}

#[test]
fn an_environment_over_four_kilobytes_stops() {
    let issuers = format!(r#"[{{"issuer":"x","audience":"{}","jwks_uri":"https://x.org/"}}]"#, "x".repeat(4_090));
    let found = troubles(&account(), &[("Issuers", &issuers)]);
    let stopped: Vec<&str> = found.iter().map(|(what, ..)| what.as_str()).collect();
    assert_eq!(stopped, ["environment of ShowPoll", "Issuers"], "{found:?}");
    assert!(found.iter().all(|(.., verdict)| *verdict == Verdict::Stops));
}

#[test]
fn an_entry_of_issuers_that_can_not_be_used_stops() {
    let good = r#"{"issuer":"https://a.org","audience":"web","jwks_uri":"https://a.org/jwks"}"#;
    for (issuers, has, wrong) in [
        ("", "all issuers", "\"Issuers\" is not JSON"),
        ("https://id.example.org", "all issuers", "\"Issuers\" is not JSON"),
        (good, "all issuers", "\"Issuers\" is not a JSON list"),
        (r#"["https://a.org"]"#, "entry 1", "\"Issuers\" must list JSON objects"),
        (r#"[{"audience":"web"}]"#, "entry 1", "\"issuer\" is missing"),
        (r#"[{"issuer":"https://a.org"}]"#, "issuer \"https://a.org\"", "\"audience\" is missing"),
        (&format!("[{good},{good}]"), "issuer \"https://a.org\"", "\"issuer\" has \"https://a.org\", which is there"),
    ] {
        let rows = judged(&account(), &[("Issuers", issuers)]);
        let rows: Vec<&Row> = rows.iter().filter(|row| row.what == "Issuers").collect();
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!((rows[0].has.as_str(), rows[0].verdict), (has, Verdict::Stops));
        assert!(rows[0].remedy.starts_with(wrong), "{rows:?}");
    }
    for issuers in ["[]", &format!("[{good}]")] {
        assert_eq!(troubles(&account(), &[("Issuers", issuers)]), []);
    }
    let here = r#"[{"issuer":"x","audience":"web","jwks_uri":"http://localhost:9/jwks"}]"#;
    assert_eq!(troubles(&account(), &[("Issuers", here)]), [trouble("Issuers", "", Verdict::Stops)]);
    assert_eq!(troubles(&account(), &[("Issuers", here), ("LoopbackIssuers", "true")]), []);
}

#[test]
fn a_value_that_the_template_does_not_take_stops() {
    for (name, value, takes) in [
        ("MinLanes", "3", "one of 1, 2, 4, 8, 16, 32"),
        ("TallyMaxReceives", "9", "a number of 10 to 1000"),
        ("TallyMaxReceives", "1001", "a number of 10 to 1000"),
        ("ThrottleRate", "many", "a number of 1 or more"),
        ("LogLevel", "TRACE", "one of DEBUG, INFO, WARN, ERROR"),
    ] {
        let rows = judged(&account_of_a_show(), &[(name, value)]);
        let row = rows.iter().find(|row| row.what == name && row.verdict == Verdict::Stops).unwrap();
        assert_eq!((row.has.as_str(), row.needs.as_str()), (value, takes));
    }
    let long = "x".repeat(2_501);
    let rows = judged(&account_of_a_show(), &[("Issuers", &long)]);
    let row = rows.iter().find(|row| row.what == "Issuers").unwrap();
    assert_eq!((row.has.as_str(), row.needs.as_str()), ("2501 characters", "2500 characters at most"));
    assert!(troubles(&account_of_a_show(), &[("TallyMaxReceives", "1000")]).is_empty());
}

#[test]
fn a_name_leaves_room_for_every_function() {
    let functions = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../functions")).unwrap();
    let longest = functions.map(|folder| folder.unwrap().file_name().len()).max().unwrap();
    assert_eq!(NAME_CHARACTERS_MAX + "-".len() + longest, 64);
    assert_eq!(name_row(&"a".repeat(45)).verdict, Verdict::Ok);
    let row = name_row(&"a".repeat(60));
    assert_eq!((row.verdict, row.short_by.as_str(), row.has.as_str()), (Verdict::Stops, "15", "60 characters"));
}

#[test]
fn what_is_no_name_stops() {
    for name in ["", "1st", "my_stack", "my stack", "-a", "é"] {
        assert_eq!(name_row(name).verdict, Verdict::Stops, "{name}");
    }
}

#[test]
fn each_state_is_created_updated_replaced_or_left_alone() {
    let verdict = |status: &str| {
        let facts = Facts { stack: Ok(Some(Stack { status: status.to_owned(), ..Stack::default() })), ..account() };
        judged(&facts, &[]).into_iter().map(|row| row.verdict).max().unwrap()
    };
    for status in ["REVIEW_IN_PROGRESS", "CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "ROLLBACK_COMPLETE"] {
        assert_eq!(verdict(status), Verdict::Ok, "{status}");
    }
    for status in ["ROLLBACK_FAILED", "DELETE_FAILED", "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED", "NEVER_HEARD_OF"]
    {
        assert_eq!(verdict(status), Verdict::Stuck, "{status}");
    }
}
