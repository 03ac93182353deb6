//! Text that is written from right to left, and the characters that tell in which order to show it (UAX #9).

use icu_properties::{CodePointMapData, props::BidiClass};

/// Whether the text would change the order of what stands around it: by an override, which shows letters in an order
/// that nobody reads them in, or by an embedding or isolate that it does not open and close itself. Right-to-left
/// letters, directional marks, and what is closed do not.
pub fn reorders_its_surroundings(text: &str) -> bool {
    let classes = CodePointMapData::<BidiClass>::new();
    // What closes each of those that are open.
    let mut open = Vec::new();
    for class in text.chars().map(|c| classes.get(c)) {
        match class {
            BidiClass::LeftToRightOverride | BidiClass::RightToLeftOverride => return true,
            BidiClass::LeftToRightEmbedding | BidiClass::RightToLeftEmbedding => {
                open.push(BidiClass::PopDirectionalFormat);
            }
            BidiClass::LeftToRightIsolate | BidiClass::RightToLeftIsolate | BidiClass::FirstStrongIsolate => {
                open.push(BidiClass::PopDirectionalIsolate);
            }
            BidiClass::PopDirectionalFormat | BidiClass::PopDirectionalIsolate if open.pop() != Some(class) => {
                return true;
            }
            _ => {}
        }
    }
    !open.is_empty()
}
