//! The view for a wall: large results, and a code that leads to the page.

use maud::{Markup, html};
use qrcodegen::{QrCode, QrCodeEcc};

use super::PollPage;
use crate::words::Words;

/// The empty border around a code, in modules (ISO/IEC 18004, section 5.3.8).
const BORDER: i32 = 4;

impl PollPage<'_> {
    pub(super) fn stage(&self, words: &Words) -> Markup {
        html! {
            (self.question())
            div.wall {
                div {
                    (self.results(words))
                    @if self.results.is_none() { (self.options()) }
                }
                @if let Some(code) = code(self.address.public, words.say.scan) {
                    div {
                        h2 { (words.say.scan) }
                        (code)
                        p.quiet { bdi { (self.address.public) } }
                    }
                }
            }
        }
    }
}

/// The address as a QR code. `None` if it is too long for one.
fn code(address: &str, name: &str) -> Option<Markup> {
    let code = QrCode::encode_text(address, QrCodeEcc::Medium).ok()?;
    let size = code.size() + 2 * BORDER;
    Some(html! {
        svg.code viewBox={ "0 0 " (size) " " (size) } role="img" aria-label=(name) shape-rendering="crispEdges" {
            path d=(path(&code)) {}
        }
    })
}

/// A run of dark modules of a row is one rectangle.
fn path(code: &QrCode) -> String {
    let mut path = String::new();
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let run = (x..code.size()).take_while(|x| code.get_module(*x, y)).count() as i32;
            if run > 0 {
                path.push_str(&format!("M{} {}h{run}v1h-{run}z", x + BORDER, y + BORDER));
            }
            x += run.max(1);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_draws_exactly_the_dark_modules() {
        let code = QrCode::encode_text("https://vote.example/p/abc", QrCodeEcc::Medium).unwrap();
        let size = code.size();
        let mut drawn = vec![vec![false; size as usize]; size as usize];
        for rectangle in path(&code).split('M').skip(1) {
            let (place, rest) = rectangle.split_once('h').unwrap();
            let (x, y) = place.split_once(' ').unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            let run: usize = rest.split_once('v').unwrap().0.parse().unwrap();
            drawn[y - BORDER as usize][x - BORDER as usize..][..run].fill(true);
        }
        let is_drawn = |x: i32, y: i32| drawn[y as usize][x as usize];
        assert!((0..size).all(|y| (0..size).all(|x| is_drawn(x, y) == code.get_module(x, y))));
    }

    #[test]
    fn an_address_that_no_code_holds_has_none() {
        assert!(code(&"x".repeat(3_000), "").is_none());
    }
}
