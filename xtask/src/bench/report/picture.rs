// SPDX-License-Identifier: GPL-2.0

//! Rows as a picture: one bar for each, as long as its ratio to C, with a line
//! where C is and a mark where the target is. What meets it is green, what misses
//! it is red; grey has no target, or misses it by less than repetitions differ.

use super::{number, table};
use crate::bench::row::{Row, Target, Verdict};
use anyhow::{Result, anyhow};
use plotters::prelude::*;

const WIDTH: u32 = 1200;
const ROW: i32 = 20;
/// Room for the names on the left, the ratios on the right, the scale below.
const LEFT: i32 = 380;
const RIGHT: i32 = 390;
const TOP: i32 = 70;
const BOTTOM: i32 = 30;

const MET: RGBColor = RGBColor(46, 139, 87);
const MISSED: RGBColor = RGBColor(200, 60, 50);
const PLAIN: RGBColor = RGBColor(120, 130, 145);
const FONT: &str = "sans-serif";

/// Where things are, in pixels.
struct Layout {
    /// The ratio at the right end.
    most: f64,
    height: i32,
}

impl Layout {
    fn of(rows: &[&Row]) -> Self {
        let ratios = rows.iter().filter_map(|row| row.ratio());
        let limits = rows.iter().filter_map(|row| limit(row));
        // A row far beyond the others is cut off; its number says what it is.
        let most = ratios.chain(limits).fold(1.1, f64::max).min(3.0);
        Self {
            most,
            height: TOP + BOTTOM + ROW * i32::try_from(rows.len()).unwrap_or(i32::MAX / ROW - ROW),
        }
    }

    fn x(&self, ratio: f64) -> i32 {
        let width = f64::from(WIDTH as i32 - LEFT - RIGHT);
        LEFT + (ratio.min(self.most) / self.most * width).round() as i32
    }

    fn y(&self, index: usize) -> i32 {
        TOP + ROW * i32::try_from(index).unwrap_or_default()
    }
}

pub(super) fn draw(title: &str, rows: &[&Row]) -> Result<String> {
    let layout = Layout::of(rows);
    let mut svg = "<!-- SPDX-License-Identifier: GPL-2.0 -->\n".to_owned();
    let size = (WIDTH, layout.height.unsigned_abs());
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    draw_all(&area, &layout, title, rows).map_err(|error| anyhow!("{error}"))?;
    drop(area);
    Ok(svg)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw_all(area: &Area, layout: &Layout, title: &str, rows: &[&Row]) -> Drawn {
    area.fill(&WHITE)?;
    text(area, title, 18, &BLACK, (12, 12))?;
    let legend = "Rust / C by row (black line: C = 1, diamond: target)";
    text(area, legend, 13, &PLAIN, (12, 40))?;
    for (index, row) in rows.iter().enumerate() {
        draw_row(area, layout, index, row)?;
    }
    draw_scale(area, layout)?;
    area.present()?;
    Ok(())
}

fn draw_row(area: &Area, layout: &Layout, index: usize, row: &Row) -> Drawn {
    let y = layout.y(index);
    let name = format!("{} ({})", row.name, row.arch);
    text(area, &name, 13, &BLACK, (12, y + 3))?;
    let colour = match row.verdict() {
        Some(Verdict::Met) => MET,
        Some(Verdict::Missed) => MISSED,
        Some(Verdict::Unclear) | None => PLAIN,
    };
    let ratio = row.ratio().unwrap_or_default();
    let bar = [(LEFT, y + 3), (layout.x(ratio), y + ROW - 3)];
    area.draw(&Rectangle::new(bar, colour.filled()))?;
    if let Some(limit) = limit(row) {
        let (x, middle) = (layout.x(limit), y + ROW / 2);
        let diamond = vec![
            (x - 5, middle),
            (x, middle - 7),
            (x + 5, middle),
            (x, middle + 7),
        ];
        area.draw(&Polygon::new(diamond, BLACK.filled()))?;
    }
    let place = (WIDTH as i32 - RIGHT + 10, y + 3);
    text(area, &figures(row), 13, &colour, place)
}

fn draw_scale(area: &Area, layout: &Layout) -> Drawn {
    let bottom = layout.height - BOTTOM;
    let c = layout.x(1.0);
    area.draw(&PathElement::new(
        [(c, TOP - 4), (c, bottom + 4)],
        BLACK.stroke_width(2),
    ))?;
    let mut tick = 0.0;
    while tick <= layout.most {
        text(
            area,
            &format!("{tick:.2}"),
            12,
            &BLACK,
            (layout.x(tick) - 10, bottom + 8),
        )?;
        tick += 0.25;
    }
    Ok(())
}

fn text(area: &Area, text: &str, size: i32, colour: &RGBColor, place: (i32, i32)) -> Drawn {
    area.draw(&Text::new(
        text.to_owned(),
        place,
        (FONT, size).into_font().color(colour),
    ))?;
    Ok(())
}

fn figures(row: &Row) -> String {
    let [c, rust] = [row.c.value, row.rust.value].map(number);
    let ratio = row
        .ratio()
        .map_or_else(String::new, |ratio| format!("{ratio:.3}  "));
    let growth = row
        .missed()
        .filter(|target| matches!(target, Target::GrowthAtMost { .. }))
        .map(|target| format!(", target {}", table::said(target)));
    let growth: String = growth.collect();
    format!("{ratio}({rust} : {c} {}){growth}", row.unit)
}

/// The target as a ratio to C.
fn limit(row: &Row) -> Option<f64> {
    row.targets.iter().find_map(|target| match *target {
        Target::RatioAtMost(limit) | Target::RatioAtLeast(limit) => Some(limit),
        Target::ValueAtMost(value) if row.c.value > 0.0 => Some(value / row.c.value),
        Target::GrowthAtMost { base, limit } if row.c.value > 0.0 => {
            Some(base * limit / row.c.value)
        }
        _ => None,
    })
}
