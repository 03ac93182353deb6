use crate::{
    faults::Fault,
    run::run,
    scenario::Scenario,
    spec::{Change, Spec},
    summary::group_thousands,
};

#[test]
fn a_seed_gives_the_same_run_each_time() {
    for seed in 1..=40 {
        let scenario = Scenario::of(seed);
        let (first, second) = (run(&scenario, false), run(&scenario, false));
        assert_eq!((first.numbers, first.faults), (second.numbers, second.faults), "seed {seed}");
    }
}

#[test]
fn every_kind_of_fault_strikes_and_every_number_moves() {
    let reports: Vec<_> = (1..=150).map(|seed| run(&Scenario::of(seed), false)).collect();
    for (place, fault) in Fault::ALL.iter().enumerate() {
        assert!(reports.iter().any(|report| report.faults[place] > 0), "{fault:?} never struck");
    }
    for (place, (name, _)) in reports[0].numbers.iter().enumerate() {
        assert!(reports.iter().any(|report| report.numbers[place].1 > 0), "there were never any {name}");
    }
}

#[test]
fn a_spec_survives_its_text() {
    let spec = Spec::of(17)
        .with(Change::World(5))
        .with(Change::Voters(9))
        .with(Change::Voters(3))
        .with(Change::NoMonths)
        .with(Change::Off(Fault::Crash))
        .with(Change::Off(Fault::AnswerLost));
    assert_eq!(spec.to_string(), "17 world=5 voters=3 off=months off=crash off=answer-lost");
    assert_eq!(spec.to_string().parse(), Ok(spec));
    assert!("17 voters".parse::<Spec>().is_err() && "17 off=luck".parse::<Spec>().is_err());
}

#[test]
fn thousands_are_grouped() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(group_thousands), ["0", "999", "1,000", "1,234,567"]);
}
