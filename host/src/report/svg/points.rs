//! Point clouds.

use emhost_abi::wire::{Figure, Points};

use super::axes::{self, HEIGHT, Panel};
use super::canvas::{Canvas, PAD, WIDTH, num};
use super::legend::{self, Swatch};
use super::scale::{Map, domain};
use super::style::Style;

/// Draws point clouds; returns the figure's height.
pub fn draw(canvas: &mut Canvas, figure: &Figure, clouds: &[Points]) -> f64 {
    let styles = Style::all(clouds.iter().map(|_| false));
    let keys = legend::keys(Swatch::Marker, &styles, clouds.iter().map(|cloud| cloud.label.as_str()));
    let both = || clouds.iter().flat_map(|cloud| cloud.x.iter().copied().zip(cloud.y.iter().copied()));
    let drawn = || both().filter(|(x, y)| x.is_finite() && y.is_finite());
    let x_domain = domain(&figure.x, drawn().map(|p| p.0), false, false);
    let y_domain = domain(&figure.y, drawn().map(|p| p.1), true, false);

    let top = axes::header(canvas, &figure.y.label, &keys);
    let y = Map::new(figure.y.scale, y_domain, top + HEIGHT, top);
    let ticks = axes::y_ticks(&y);
    let panel = Panel { left: axes::left_edge(&ticks), right: WIDTH - PAD - 8.0, top, bottom: top + HEIGHT };
    let x = Map::new(figure.x.scale, x_domain, panel.left + 14.0, panel.right - 14.0);
    axes::y_axis(canvas, panel, &y, &ticks);
    let below = axes::x_axis(canvas, panel, &x);

    let inside = |&(a, b): &(f64, f64)| x.holds(a) && y.holds(b);
    let radius = match drawn().count() {
        0..=60 => 4.5,
        61..=400 => 3.5,
        401..=3000 => 2.5,
        _ => 1.8,
    };
    for (i, (cloud, style)) in clouds.iter().zip(&styles).enumerate() {
        let id = format!("emfig-{}-m{i}", canvas.name());
        canvas.raw(&format!("<defs><path id=\"{id}\" d=\"{}\"/></defs>\n", style.marker(radius)));
        canvas.open(&format!("{} dots halo", style.class()), "");
        for (a, b) in cloud.x.iter().copied().zip(cloud.y.iter().copied()).filter(inside) {
            canvas.raw(&format!("<use href=\"#{id}\" x=\"{}\" y=\"{}\"/>\n", num(x.at(a)), num(y.at(b))));
        }
        canvas.close();
    }
    let missing = both().count() - drawn().count();
    let outside = drawn().filter(|p| !inside(p)).count();
    axes::footer(canvas, panel, below, &figure.x.label, &axes::notes(missing, outside))
}
