use proptest::prelude::*;

use super::*;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn constraint(key: &str, operator: Operator, values: &[&str]) -> Constraint {
    Constraint { key: key.into(), operator, values: values.iter().map(|v| (*v).to_owned()).collect() }
}

#[test]
fn every_operator_treats_a_present_and_an_absent_key_by_the_table() {
    let node = labels(&[("region", "eu"), ("ram", "2.5")]);
    let cases = [
        (Operator::In, &["eu", "us"][..], "region", true, false),
        (Operator::NotIn, &["us"][..], "region", true, true),
        (Operator::Exists, &[][..], "region", true, false),
        (Operator::Absent, &[][..], "region", false, true),
        (Operator::Equals, &["eu"][..], "region", true, false),
        (Operator::DoubleEquals, &["us"][..], "region", false, false),
        (Operator::NotEquals, &["us"][..], "region", true, true),
        (Operator::GreaterThan, &["2.0"][..], "ram", true, false),
        (Operator::LessThan, &["10"][..], "ram", true, false),
    ];
    for (operator, values, key, present, absent) in cases {
        assert_eq!(constraint(key, operator, values).holds(&node), present, "{operator:?}");
        assert_eq!(constraint("nowhere", operator, values).holds(&node), absent, "{operator:?} absent");
    }
}

#[test]
fn words_are_not_numbers() {
    for label in ["inf", "NaN", "1e3", "", ".", "v2"] {
        assert!(!constraint("x", Operator::GreaterThan, &["0"]).holds(&labels(&[("x", label)])), "{label}");
    }
    assert!(constraint("x", Operator::LessThan, &["-0.5"]).holds(&labels(&[("x", "-1")])));
}

#[test]
fn preferences_do_not_exclude() {
    let constraints = [constraint("favour_ssd", Operator::Exists, &[])];
    assert!(matches(&constraints, &labels(&[])));
    assert!(!prefers(&constraints, &labels(&[])));
    assert!(prefers(&constraints, &labels(&[("ssd", "yes")])));
    assert!(!prefers(&[], &labels(&[])));
}

#[test]
fn reads_the_kubernetes_form() {
    let read = parse("a=b, c in (x, y),!d,e>2.5,f,g!=,h notin (z),i==j").unwrap();
    let expected = [
        constraint("a", Operator::Equals, &["b"]),
        constraint("c", Operator::In, &["x", "y"]),
        constraint("d", Operator::Absent, &[]),
        constraint("e", Operator::GreaterThan, &["2.5"]),
        constraint("f", Operator::Exists, &[]),
        constraint("g", Operator::NotEquals, &[""]),
        constraint("h", Operator::NotIn, &["z"]),
        constraint("i", Operator::DoubleEquals, &["j"]),
    ];
    assert_eq!(read, expected);
    assert_eq!(parse("").unwrap(), []);
    assert_eq!(
        parse("bacalhau_canary!=true").unwrap(),
        [constraint("bacalhau_canary", Operator::NotEquals, &["true"])]
    );
}

#[test]
fn says_what_is_wrong_with_a_selector() {
    for bad in ["a in x", "a in (x", "a b", "a=b=c", "a like (b)", "=x", "!", "a>b", "-a=b"] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    let error = parse("env=dev,a>b").unwrap_err().to_string();
    assert_eq!(
        error,
        r#"selector term "a>b": "b" is not a number; gt and lt compare numbers such as 5 or 2.5"#
    );
}

#[test]
fn the_reason_uses_bacalhaus_words() {
    let constraints = parse("region in (us,asia),gpu").unwrap();
    let reason = mismatch_reason(&constraints, &labels(&[("os_type", "linux"), ("region", "eu")]));
    let expected =
        "labels map[os_type:linux region:eu] don't match required selectors [region in (us,asia) gpu]";
    assert_eq!(reason, expected);
}

#[test]
fn validation_uses_bacalhaus_words() {
    let message = |c: Constraint| validate(&c).map(|problem| problem.message);
    assert_eq!(message(constraint(" ", Operator::Exists, &[])).unwrap(), "selector key cannot be blank");
    assert!(message(constraint("a", Operator::In, &[])).unwrap().contains("In or NotIn"));
    assert!(message(constraint("a", Operator::Absent, &["x"])).unwrap().contains("must be empty"));
    assert!(message(constraint("a", Operator::Equals, &[])).unwrap().contains("exactly one value"));
    assert_eq!(message(constraint("favour_example.com/disk-type", Operator::Equals, &["nvme ssd"])), None);
}

proptest! {
    #[test]
    fn printing_and_reading_give_the_same(
        key in "[a-z]([a-z0-9_.-]{0,8}[a-z0-9])?",
        values in prop::collection::vec("[a-z0-9]{1,5}", 1..4),
        which in 0usize..7,
    ) {
        let operator = Operator::ALL[which];
        let values = match operator {
            Operator::In | Operator::NotIn => values,
            Operator::Exists | Operator::Absent => vec![],
            _ => values[..1].to_vec(),
        };
        let constraint = Constraint { key, operator, values };
        prop_assert_eq!(parse(&constraint.to_string()).unwrap(), vec![constraint]);
    }

    #[test]
    fn any_text_is_read_or_refused_without_panic(text in ".{0,60}") {
        let _ = parse(&text);
    }
}
