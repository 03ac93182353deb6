//! Right-to-left text, and the characters that control its order (UAX #9).

use icu_properties::{CodePointMapData, props::BidiClass};

/// Whether the text would reorder the text around it: by an override, which shows letters in an order that nobody reads
/// them in, or by an embedding or isolate that it does not both open and close. Right-to-left letters, directional
/// marks, and closed isolates do not.
pub fn reorders_its_surroundings(text: &str) -> bool {
    let classes = CodePointMapData::<BidiClass>::new();
    // The characters that close what is open.
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
