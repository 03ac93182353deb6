//! Writes every state of the page in some languages into a folder, to look at: `states <folder> [<language> …]`. The
//! policy by which a server would send them is in `csp.txt`.
#![allow(clippy::unwrap_used)]

use std::{env, fs, path::PathBuf};

use landslide_page::{
    ErrorPage, Language, Trouble, csp,
    testing::{OwnText, states},
};

fn main() {
    let mut arguments = env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap());
    let tags: Vec<String> = arguments.collect();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("csp.txt"), csp(&[])).unwrap();
    let languages =
        Language::ALL.into_iter().filter(|language| tags.is_empty() || tags.iter().any(|tag| tag == language.tag()));
    for language in languages {
        let folder = folder.join(language.tag());
        fs::create_dir_all(&folder).unwrap();
        for state in states(&OwnText::default()) {
            fs::write(folder.join(format!("{}.html", state.name)), state.render(language)).unwrap();
        }
        for trouble in Trouble::ALL {
            let page = ErrorPage { trouble, language, poll: Some("p1") };
            fs::write(folder.join(format!("error-{trouble:?}.html").to_lowercase()), page.render()).unwrap();
        }
    }
}
