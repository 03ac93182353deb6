//! `landslide tabulate`: real elections against their official counts, and files of each format.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::{landslide, text};

/// A file of `tests/elections`.
fn election(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/elections").join(name).to_str().unwrap().to_owned()
}

/// Counts, and returns the document.
fn count(file: &str, arguments: &[&str]) -> Value {
    let output = landslide(&[&["tabulate", file, "--json"], arguments].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What each round or stage has of each option, by name; 0 for who is out.
fn votes(document: &Value, steps: &str) -> Vec<Vec<(String, u64)>> {
    let labels =
        document["options"].as_array().unwrap().iter().map(|option| option["label"].as_str().unwrap().to_owned());
    let labels: Vec<String> = labels.collect();
    let of_step = |step: &Value| {
        let votes = step["votes"].as_array().unwrap().iter().map(|votes| votes.as_u64().unwrap_or_default());
        labels.iter().cloned().zip(votes).collect()
    };
    document[steps].as_array().unwrap().iter().map(of_step).collect()
}

fn names(document: &Value, ids: &Value) -> Vec<String> {
    let label = |id: &Value| document["options"][id.as_u64().unwrap() as usize]["label"].as_str().unwrap().to_owned();
    ids.as_array().unwrap().iter().map(label).collect()
}

/// Hundred-thousandths of a vote, as official stages write them.
fn decimals(figure: &str) -> u64 {
    let (votes, parts) = figure.split_once('.').unwrap_or((figure, "00000"));
    assert_eq!(parts.len(), 5, "{figure}");
    votes.parse::<u64>().unwrap() * 100_000 + parts.parse::<u64>().unwrap()
}

/// Asserts that each stage has the official figures. `official` has a row an option, a figure a stage; "-" for 0.
fn assert_stages<const STAGES: usize>(document: &Value, official: &[(&str, [&str; STAGES])]) {
    let ours = votes(document, "stages");
    assert_eq!(ours.len(), STAGES);
    for (stage, ours) in ours.iter().enumerate() {
        let theirs = official.iter().map(|(name, figures)| {
            let figure = figures[stage];
            ((*name).to_owned(), if figure == "-" { 0 } else { decimals(figure) })
        });
        assert_eq!(*ours, theirs.collect::<Vec<_>>(), "stage {}", stage + 1);
    }
}

// City of Burlington, "2009 Burlington Mayor Detail Report" of ChoicePlus Pro (burlingtonvotes.org, in the Internet
// Archive). Its exhausted pile has 4 ballots more: those that rank two first, which are no ballots to us.
#[test]
fn burlington_2009_has_the_official_three_rounds() {
    let document = count(&election("burlington-2009.abif"), &["--method", "irv"]);
    let official = [
        ("Kurt Wright", [2_951, 3_294, 4_061]),
        ("Bob Kiss", [2_585, 2_981, 4_313]),
        ("Andy Montroll", [2_063, 2_554, 0]),
        ("Dan Smith", [1_306, 0, 0]),
        ("Write-in", [36, 0, 0]),
        ("James Simpson", [35, 0, 0]),
    ];
    let ours = votes(&document, "rounds");
    assert_eq!(ours.len(), 3);
    for (round, ours) in ours.iter().enumerate() {
        assert_eq!(*ours, official.map(|(name, votes)| (name.to_owned(), votes[round])), "round {}", round + 1);
    }
    let exhausted: Vec<u64> =
        (0..3).map(|round| document["rounds"][round]["exhausted"].as_u64().unwrap() + 4).collect();
    assert_eq!(exhausted, [4, 151, 606]);
    assert_eq!(names(&document, &document["rounds"][0]["eliminated"]), ["James Simpson", "Write-in", "Dan Smith"]);
    assert_eq!(names(&document, &document["outcome"]["winners"]), ["Bob Kiss"]);
}

#[test]
fn burlington_2009_has_three_winners_by_three_methods() {
    let file = election("burlington-2009.abif");
    let pairs = count(&file, &["--method", "condorcet"]);
    assert_eq!(names(&pairs, &pairs["outcome"]["winners"]), ["Andy Montroll"]);
    assert_eq!(pairs["condorcet_winner"], json!(2));
    let most = pairs["first_choices"].as_array().unwrap().iter().map(|votes| votes.as_u64().unwrap()).max();
    assert_eq!(most, pairs["first_choices"][0].as_u64(), "Kurt Wright");
    let runoff = count(&file, &["--method", "irv"]);
    assert_eq!(names(&runoff, &runoff["outcome"]["winners"]), ["Bob Kiss"]);
}

// The Highland Council, "Candidate Votes Per Stage Report", ward 7, 5 May 2017.
#[test]
fn tain_and_easter_ross_2017_has_the_official_six_stages() {
    let document = count(&election("highland-2017-ward-7.abif"), &["--seats", "3"]);
    assert_eq!(document["quota"], json!(872));
    assert_stages(
        &document,
        &[
            ("Ferguson", ["558", "583", "-", "-", "-", "-"]),
            ("Louden", ["831", "847", "870", "873.77630", "872", "872"]),
            ("Rhind", ["569", "587", "722", "735.69767", "736.25999", "-"]),
            ("Robertson", ["708", "751", "903", "872", "872", "872"]),
            ("Skinner", ["139", "-", "-", "-", "-", "-"]),
            ("Stone", ["679", "696", "851", "860.16611", "860.65356", "1342.17613"]),
        ],
    );
    assert_eq!(names(&document, &document["outcome"]["winners"]), ["Robertson", "Louden", "Stone"]);
}

// The Highland Council's stages of ward 5, 5 May 2017, as the open data of github.com/gerrymulvenna/council17 has them.
#[test]
fn wester_ross_2017_has_the_official_eight_stages_with_three_surpluses() {
    let document = count(&election("highland-2017-ward-5.abif"), &["--seats", "4"]);
    assert_eq!(document["quota"], json!(1_125));
    assert_stages(
        &document,
        &[
            ("Birt", ["285", "-", "-", "-", "-", "-", "-", "-"]),
            ("Campbell", ["796", "843", "876", "899.76360", "1145.81892", "1145.81892", "1125", "1125"]),
            ("Cockburn", ["859", "887", "1355", "1125", "1125", "1125", "1125", "1125"]),
            ("Dawson", ["628", "674", "721", "839.13904", "928.38254", "934.89810", "938.50622", "-"]),
            ("Greene", ["656", "673", "686", "699.91868", "-", "-", "-", "-"]),
            ("MacInnes", ["608", "610", "-", "-", "-", "-", "-", "-"]),
            ("MacLeod", ["1036", "1055", "1061", "1064.22506", "1205.56454", "1125", "1125", "1125"]),
            ("Stephen", ["752", "841", "864", "882.67140", "993.35036", "1026.39468", "1034.87052", "1560.40008"]),
        ],
    );
    let kinds: Vec<&str> =
        document["stages"].as_array().unwrap().iter().map(|stage| stage["kind"].as_str().unwrap()).collect();
    let (surplus, exclusion) = ("surplus", "exclusion");
    assert_eq!(kinds, ["first_choices", exclusion, exclusion, surplus, exclusion, surplus, surplus, exclusion]);
    assert_eq!(names(&document, &document["outcome"]["winners"]), ["Cockburn", "MacLeod", "Campbell", "Stephen"]);
}

/// A file of these lines, for one test.
fn file(name: &str, content: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_three_formats_of_one_election_give_one_document() {
    let abif = file("one.abif", "=A:[Anna]\n=B:[Ben]\n=C:[Cem]\n3:A>B\n2:B>A>C\n4:C\n1:A=B>C\n");
    let blt = file("one.blt", "3 1\n3 1 2 0\n2 2 1 3 0\n4 3 0\n1 1=2 3 0\n0\n\"Anna\"\n\"Ben\"\n\"Cem\"\n");
    let csv = file("one.csv", "count,rank 1,rank 2,rank 3\n3,Anna,Ben,\n2,Ben,Anna,Cem\n4,Cem,,\n1,overvote,Cem,\n");
    let documents = [abif, blt, csv].map(|file| count(&file, &["--method", "condorcet"]));
    assert_eq!(documents[0], documents[1]);
    assert_eq!(documents[0], documents[2]);
    assert_eq!(documents[0]["ballots"], json!(9));
    assert_eq!(documents[0]["treated"]["not_counted"], json!(1));
}

#[test]
fn people_get_a_table_of_rounds_and_what_was_treated() {
    let csv = file("people.csv", "Anna,Ben\nAnna,,Ben\nBen,Anna\nCem,Ben\nCem,overvote\novervote,Ben\n");
    let output = landslide(&["tabulate", &csv, "--method", "irv"]);
    let expected = "\
6 ballots read, 5 counted; 1 seat; instant runoff
  not counted, for they rank nobody, or several first: 1
  counted down to a rank that names several: 1
  counted without the ranks that name nobody: 1

            round 1   round 2
Anna              2         3
Cem               2         2
Ben               1         -
exhausted         0         0

round 1: Ben out

elected: Anna
";
    assert_eq!((text(&output.stdout).as_str(), text(&output.stderr).as_str()), (expected, ""));
}

#[test]
fn the_lot_of_a_final_result_is_drawn_by_its_seed() {
    let csv = file("lot.csv", "count,rank 1\n5,a\n5,b\n0,c\n1,d\n");
    let seed = (0..32).map(|byte| format!("{byte:02x}")).collect::<String>();
    let document = count(&csv, &["--method", "borda", "--lot-seed", &seed]);
    assert_eq!(document["lot"], json!({"order": [2, 3, 1, 0], "provisional": false, "seed": seed}));
}

#[test]
fn a_bad_file_is_named_with_its_line_and_a_bad_call_with_its_reason() {
    let bad = file("bad.blt", "2 1\n1 3 0\n0\n\"A\"\n\"B\"\n");
    let good = file("good.csv", "A,B\n");
    let nameless = file("good.txt", "A,B\n");
    for (arguments, why) in [
        (vec![bad.as_str()], "bad.blt: line 2: There is no option 3."),
        (vec![nameless.as_str()], "Say what it is by --format."),
        (vec!["absent.csv"], "absent.csv: No such file"),
        (vec![&good, "--method", "irv", "--seats", "2"], "The method irv can't fill 2 seats."),
        (vec![&good, "--method", "stv", "--seats", "3"], "There are 3 seats, and only 2 options."),
        (vec![&good, "--lot-seed", "12"], "a seed is 64 hex digits"),
    ] {
        let output = landslide(&[&["tabulate"], &arguments[..]].concat());
        let said = text(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty() && said.contains(why), "{arguments:?}: {said}");
    }
    let told = landslide(&["tabulate", &nameless, "--format", "csv"]);
    assert!(told.status.success(), "{}", text(&told.stderr));
}
