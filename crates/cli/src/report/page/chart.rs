//! The kinds of charts in the report, drawn as SVG and as PNG.

use std::{fs::File, io::BufWriter, path::Path, sync::Once};

use anyhow::{Context, anyhow};
use plotters::{
    coord::Shift,
    prelude::*,
    style::{FontStyle, register_font},
};

/// Bundled: servers have no fonts.
const FONT: &[u8] = include_bytes!("../../../fonts/DejaVuSans.ttf");
const WIDTH: u32 = 900;
const TEXT: (&str, u32) = ("sans-serif", 17);
const LABELS: i32 = 190;

/// The title of a chart, its axes and its content.
#[derive(Debug, Clone)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    pub(crate) content: Content,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Rows(Vec<Row>),
    Points(Vec<Point>),
    Areas(Vec<Line>),
    Lines(Vec<Line>),
}

/// A bar from 0 to `value`, or over `middle` if there is one; a whisker from `low` to `high`, and a
/// dot at `value`.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) label: String,
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// The middle half of a distribution.
    pub(crate) middle: Option<(f64, f64)>,
}

/// A dot with a name; `size` is 0 to 1.
#[derive(Debug, Clone)]
pub(crate) struct Point {
    pub(crate) label: String,
    pub(crate) at: (f64, f64),
    pub(crate) size: f64,
}

#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) points: Vec<(f64, f64)>,
}

type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;
type Area<B> = DrawingArea<B, Shift>;

impl Chart {
    fn height(&self) -> u32 {
        match &self.content {
            Content::Rows(rows) => 110 + 36 * rows.len() as u32,
            _ => 520,
        }
    }

    /// The chart as SVG text.
    ///
    /// # Errors
    /// When the chart cannot be drawn.
    pub(crate) fn svg(&self) -> anyhow::Result<String> {
        register();
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, (WIDTH, self.height()));
            let area = area.into_drawing_area();
            self.draw(&area).map_err(|error| anyhow!("{}: {error}", self.title))?;
            area.present().map_err(|error| anyhow!("{}: {error}", self.title))?;
        }
        Ok(text)
    }

    /// Writes the chart as PNG.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn png(&self, path: &Path) -> anyhow::Result<()> {
        register();
        let (width, height) = (WIDTH, self.height());
        let mut rgb = vec![0; (width * height * 3) as usize];
        let area = BitMapBackend::with_buffer(&mut rgb, (width, height)).into_drawing_area();
        self.draw(&area).map_err(|error| anyhow!("{}: {error}", path.display()))?;
        area.present().map_err(|error| anyhow!("{}: {error}", path.display()))?;
        drop(area);
        let written = File::create(path).map_err(Into::into).and_then(|file| {
            let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
            encoder.set_color(png::ColorType::Rgb);
            let mut writer = encoder.write_header()?;
            writer.write_image_data(&rgb)?;
            writer.finish()
        });
        written.with_context(|| format!("{} cannot be written", path.display()))
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<B>) -> Drawn<B>
    where
        B::ErrorType: 'static,
    {
        area.fill(&WHITE)?;
        let area = area.titled(&self.title, ("sans-serif", 20))?;
        match &self.content {
            Content::Rows(rows) => self.rows(&area, rows),
            Content::Points(points) => self.points(&area, points),
            Content::Areas(lines) => self.lines(&area, lines, true),
            Content::Lines(lines) => self.lines(&area, lines, false),
        }
    }

    fn rows<B: DrawingBackend>(&self, area: &Area<B>, rows: &[Row]) -> Drawn<B>
    where
        B::ErrorType: 'static,
    {
        let values = rows.iter().flat_map(|row| [row.low, row.high, row.value, 0.0]);
        let count = rows.len() as f64;
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_left(LABELS)
            .x_label_area_size(45)
            .build_cartesian_2d(span(values), 0.0..count)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(0)
            .x_labels(7)
            .x_desc(self.x)
            .label_style(TEXT)
            .draw()?;
        for (number, row) in rows.iter().enumerate() {
            let middle = count - number as f64 - 0.5;
            let colour = Palette99::pick(number).to_rgba();
            let (from, to) = row.middle.unwrap_or((0.0, row.value));
            let bar = Rectangle::new(
                [(from, middle - 0.32), (to, middle + 0.32)],
                colour.mix(0.6).filled(),
            );
            chart.draw_series([bar])?;
            let whisker = PathElement::new(
                vec![(row.low, middle), (row.high, middle)],
                BLACK.stroke_width(2),
            );
            chart.draw_series([whisker])?;
            chart.draw_series([Circle::new((row.value, middle), 4, BLACK.filled())])?;
            let (_, y) = chart.backend_coord(&(0.0, middle));
            let (_, top) = area.get_base_pixel();
            area.draw(&Text::new(row.label.clone(), (8, y - top - 9), TEXT))?;
        }
        Ok(())
    }

    fn points<B: DrawingBackend>(&self, area: &Area<B>, points: &[Point]) -> Drawn<B>
    where
        B::ErrorType: 'static,
    {
        let (xs, ys) = (points.iter().map(|p| p.at.0), points.iter().map(|p| p.at.1));
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_right(150)
            .x_label_area_size(50)
            .y_label_area_size(90)
            .build_cartesian_2d(span(xs), span(ys))?;
        chart
            .configure_mesh()
            .x_labels(7)
            .x_desc(self.x)
            .y_desc(self.y)
            .label_style(TEXT)
            .draw()?;
        let mut labels = Vec::with_capacity(points.len());
        for (number, point) in points.iter().enumerate() {
            let colour = Palette99::pick(number).to_rgba();
            let radius = 5 + (18.0 * point.size) as i32;
            chart.draw_series([Circle::new(point.at, radius, colour.mix(0.6).filled())])?;
            let (x, y) = chart.backend_coord(&point.at);
            let (_, top) = area.get_base_pixel();
            labels.push(Label { at: (x + radius + 3, y - top - 9), text: &point.label });
        }
        spread(&mut labels);
        for label in labels {
            area.draw(&Text::new(label.text.to_owned(), label.at, TEXT))?;
        }
        Ok(())
    }

    fn lines<B: DrawingBackend>(&self, area: &Area<B>, lines: &[Line], stacked: bool) -> Drawn<B>
    where
        B::ErrorType: 'static,
    {
        let all = || lines.iter().flat_map(|line| &line.points);
        let (from, to) = all().fold((f64::MAX, f64::MIN), |(a, b), p| (a.min(p.0), b.max(p.0)));
        let xs = if from < to { from..to } else { from - 0.5..from + 0.5 };
        let ys = if stacked { 0.0..1.0 } else { span(all().map(|point| point.1)) };
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_right(190)
            .x_label_area_size(50)
            .y_label_area_size(80)
            .build_cartesian_2d(xs, ys)?;
        chart
            .configure_mesh()
            .x_labels(8)
            .x_desc(self.x)
            .y_desc(self.y)
            .label_style(TEXT)
            .draw()?;
        for (number, line) in lines.iter().enumerate() {
            let colour = Palette99::pick(number).to_rgba();
            let points = line.points.iter().copied();
            if stacked {
                chart.draw_series(AreaSeries::new(points, 0.0, colour.filled()))?;
            } else {
                chart.draw_series(LineSeries::new(points, colour.stroke_width(3)))?;
            }
            let (x, y) = (WIDTH as i32 - 180, 14 + 24 * number as i32);
            area.draw(&Rectangle::new([(x, y), (x + 14, y + 14)], colour.filled()))?;
            area.draw(&Text::new(line.label.clone(), (x + 20, y - 2), ("sans-serif", 15)))?;
        }
        Ok(())
    }
}

/// A text and its upper left corner in pixels.
#[derive(Debug, Clone, PartialEq)]
struct Label<'t> {
    at: (i32, i32),
    text: &'t str,
}

/// The width of the widest letter, and the height of a label.
const LETTER: (i32, i32) = (10, 18);

impl Label<'_> {
    fn overlaps(&self, other: &Self) -> bool {
        let (width, height) = LETTER;
        let letters = self.text.len().max(other.text.len()) as i32;
        (self.at.0 - other.at.0).abs() < width * letters && (self.at.1 - other.at.1).abs() < height
    }
}

/// Moves labels down until none overlaps another; the highest label stays.
fn spread(labels: &mut [Label<'_>]) {
    labels.sort_by_key(|label| label.at.1);
    for next in 1..labels.len() {
        let (placed, rest) = labels.split_at_mut(next);
        let label = &mut rest[0];
        // Each move passes at least one of those above.
        while let Some(above) = placed.iter().find(|above| label.overlaps(above)) {
            label.at.1 = above.at.1 + LETTER.1;
        }
    }
}

fn register() {
    static ONCE: Once = Once::new();
    // If the font cannot be read, drawing the first picture fails.
    ONCE.call_once(|| {
        let _ = register_font("sans-serif", FontStyle::Normal, FONT);
    });
}

/// The range of an axis for these values, with a margin.
fn span(values: impl Iterator<Item = f64>) -> std::ops::Range<f64> {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
    if low > high {
        return 0.0..1.0;
    }
    let room = ((high - low) * 0.06).max(high.abs() * 1e-3).max(1e-6);
    let from = if low == 0.0 { 0.0 } else { low - room };
    from..high + room
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_points_that_lie_together_stand_below_each_other() {
        let label = |x, y| Label { at: (x, y), text: "strata" };
        let mut labels = [label(10, 100), label(12, 95), label(8, 101), label(500, 97)];
        spread(&mut labels);
        let together = labels
            .iter()
            .enumerate()
            .any(|(number, label)| labels[..number].iter().any(|other| label.overlaps(other)));
        assert!(!together, "{labels:?}");
        assert!(labels.contains(&label(12, 95)) && labels.contains(&label(500, 97)), "{labels:?}");
    }
}
