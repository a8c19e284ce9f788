//! Pictures: a bar for each server, with a line from its least to its greatest figure.

use std::path::Path;

use anyhow::{Context as _, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::columns::columns;
use super::seen::{Seen, Spread};
use super::show;
use super::tables::title;
use crate::peers::{Kept, LIMIT_SYNC, LIMIT_WS, PEERS, Peer, WELLSPRING};
use crate::scenarios::{Cell, Scenario};

const WIDTH: u32 = 760;
const HEAD: u32 = 50;
const BAR: u32 = 26;
const LABELS: u32 = 170;
/// For the figure behind the longest bar.
const FIGURES: u32 = 110;
const FONT: &str = "sans-serif";
/// What [`color`] and the scale say.
const LEGEND: &str = "blue: Wellspring; grey: floors; orange: synced before it is acknowledged; \
                      light: not synced; logarithmic";

/// Cells of which there is a picture.
const PICTURES: &[(&str, Scenario, u32)] = &[
    ("writes-1.svg", Scenario::Writes, 1),
    ("writes-64.svg", Scenario::Writes, 64),
    ("sustained.svg", Scenario::Sustained, 64),
    ("latency.svg", Scenario::Latency, 1),
    ("fan-out.svg", Scenario::FanOut, 1000),
    ("idle.svg", Scenario::Idle, 5000),
    ("catch-up.svg", Scenario::CatchUp, 100_000),
    ("filtered.svg", Scenario::Filtered, 1000),
];

/// A picture that was drawn.
pub(super) struct Picture {
    pub(super) file: &'static str,
    pub(super) title: String,
}

struct Bar {
    peer: &'static Peer,
    spread: Spread,
}

/// Draws what there are figures for.
pub(super) fn draw_all(seen: &Seen, directory: &Path) -> Result<Vec<Picture>> {
    let mut pictures = Vec::new();
    for &(file, scenario, size) in PICTURES {
        let cell = Cell { scenario, size };
        let (figure, unit) = columns(scenario)[0];
        let bars: Vec<Bar> = PEERS
            .iter()
            .filter_map(|peer| {
                let spread = seen.spread(cell, peer.name, figure)?;
                Some(Bar { peer, spread })
            })
            .collect();
        if bars.is_empty() {
            continue;
        }
        let title = format!("{}: {}", title(cell), unit);
        let path = directory.join(file);
        draw(&path, &title, &bars).with_context(|| format!("drawing {}", path.display()))?;
        pictures.push(Picture { file, title });
    }
    Ok(pictures)
}

/// On a logarithmic scale: the servers are orders of magnitude apart.
fn draw(path: &Path, title: &str, bars: &[Bar]) -> Result<()> {
    let count = u32::try_from(bars.len())?;
    let height = HEAD + BAR * count + 12;
    let root = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let least = bars
        .iter()
        .map(|bar| bar.spread.min)
        .fold(f64::MAX, f64::min);
    let most = bars
        .iter()
        .map(|bar| bar.spread.max)
        .fold(f64::MIN, f64::max);
    let scale = Scale {
        from: least.max(f64::MIN_POSITIVE).ln() - 0.7,
        to: most.ln(),
    };
    let title_style = (FONT, 16).into_font().color(&BLACK);
    root.draw_text(title, &title_style, (12, 8))?;
    let legend_style = (FONT, 12).into_font().color(&BLACK.mix(0.7));
    root.draw_text(LEGEND, &legend_style, (12, 26))?;
    for (row, bar) in (0..).zip(bars) {
        let top = i32::try_from(HEAD + BAR * row)?;
        draw_bar(&root, &scale, top, bar)?;
    }
    Ok(root.present()?)
}

/// From figures to pixels.
struct Scale {
    from: f64,
    to: f64,
}

impl Scale {
    fn x(&self, value: f64) -> i32 {
        let room = f64::from(WIDTH - LABELS - FIGURES);
        let share = (value.ln() - self.from) / (self.to - self.from);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a pixel within the picture"
        )]
        let x = (f64::from(LABELS) + room * share.clamp(0.0, 1.0)) as i32;
        x
    }
}

fn draw_bar<B: DrawingBackend>(
    root: &DrawingArea<B, plotters::coord::Shift>,
    scale: &Scale,
    top: i32,
    bar: &Bar,
) -> Result<()>
where
    B::ErrorType: 'static,
{
    let middle = top + i32::try_from(BAR)? / 2;
    let left = i32::try_from(LABELS)?;
    let Spread { min, median, max } = bar.spread;
    let end = scale.x(median);
    let body = Rectangle::new([(left, top + 3), (end, top + 21)], color(bar.peer).filled());
    root.draw(&body)?;
    let (from, to) = (scale.x(min), scale.x(max));
    let line = |points: Vec<(i32, i32)>| PathElement::new(points, BLACK.mix(0.6));
    for points in [
        vec![(from, middle), (to, middle)],
        vec![(from, middle - 4), (from, middle + 4)],
        vec![(to, middle - 4), (to, middle + 4)],
    ] {
        root.draw(&line(points))?;
    }
    let style = (FONT, 13).into_font().color(&BLACK);
    let name = style.pos(Pos::new(HPos::Right, VPos::Center));
    root.draw_text(bar.peer.name, &name, (left - 8, middle))?;
    let figure = style.pos(Pos::new(HPos::Left, VPos::Center));
    let behind = (to.max(end) + 8, middle);
    Ok(root.draw_text(&show::figure(median), &figure, behind)?)
}

fn color(peer: &Peer) -> RGBColor {
    match (peer.name, peer.kept) {
        (WELLSPRING, _) => RGBColor(20, 110, 180),
        (LIMIT_SYNC | LIMIT_WS, _) => RGBColor(150, 150, 150),
        (_, Kept::Synced) => RGBColor(220, 130, 40),
        (_, Kept::Written | Kept::Nothing) => RGBColor(240, 200, 150),
    }
}
