use super::*;

const SECRET: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01";

fn now() -> Timestamp {
    Timestamp::parse("2026-11-29T12:00:00Z").unwrap()
}

fn original() -> DeviceKeys {
    DeviceKeys::parse(SECRET).unwrap()
}

fn with_new() -> DeviceKeys {
    add(original(), "new".to_owned(), new_secret().unwrap()).unwrap()
}

fn kids(keys: &DeviceKeys) -> Vec<&str> {
    keys.all().map(|key| key.kid.as_str()).collect()
}

fn refusal(result: Result<DeviceKeys>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn an_added_key_verifies_and_the_old_one_signs_on() {
    let keys = with_new();
    assert_eq!(kids(&keys), ["original", "new"]);
    assert_eq!(keys.signing().secret, SECRET);
    assert_eq!(keys.others()[0].secret.len(), 64);
    assert_ne!(keys.others()[0].secret, with_new().others()[0].secret);
    assert!(refusal(add(keys, "new".to_owned(), new_secret().unwrap())).contains("already"));
}

#[test]
fn a_promoted_key_signs_and_the_old_one_says_until_when_its_tokens_live() {
    let keys = promote(with_new(), "new", now()).unwrap();
    assert_eq!(kids(&keys), ["new", "original"]);
    assert_eq!(keys.others()[0].secret, SECRET);
    assert_eq!(keys.others()[0].tokens_until, Timestamp::parse("2028-01-04T12:00:00Z"));
    assert!(refusal(promote(keys, "new", now())).contains("signs already"));
    assert!(refusal(promote(original(), "other", now())).contains("no device key other"));
}

#[test]
fn a_key_that_signs_again_forgets_when_its_tokens_would_have_ended() {
    let keys = promote(with_new(), "new", now()).unwrap();
    let keys = promote(keys, "original", now()).unwrap();
    assert_eq!(kids(&keys), ["original", "new"]);
    assert_eq!((keys.signing().tokens_until, keys.others()[0].tokens_until.is_some()), (None, true));
}

#[test]
fn a_key_is_retired_only_when_no_token_of_it_is_left() {
    let rotated = || promote(with_new(), "new", now()).unwrap();
    let until = rotated().others()[0].tokens_until.unwrap();
    assert!(refusal(retire(rotated(), "original", false, now())).contains("valid until 2028-01-04"));
    assert_eq!(kids(&retire(rotated(), "original", false, until).unwrap()), ["new"]);
    assert_eq!(kids(&retire(rotated(), "original", true, now()).unwrap()), ["new"]);
    assert!(refusal(retire(rotated(), "new", true, now())).contains("Promote another one first"));
    assert!(refusal(retire(rotated(), "other", true, now())).contains("no device key other"));
    assert_eq!(kids(&retire(with_new(), "new", false, now()).unwrap()), ["original"], "it has never signed");
}

#[test]
fn what_is_shown_has_no_key_in_it() {
    let keys = promote(with_new(), "new", now()).unwrap();
    let shown: Vec<String> =
        listed(&keys).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(shown, ["new signs", "original verifies, tokens until 2028-01-04"]);
    assert!(listed(&with_new()).ends_with("verifies, has not signed"));
}

#[test]
fn a_new_key_is_named_by_its_date() {
    assert_eq!(date(now()), "2026-11-29");
}
