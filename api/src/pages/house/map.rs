//! The map of places, drawn by the server: the land's outline, and a point for each place.

use askama::Template;
use askama::filters::HtmlSafe;

/// A place, and what happened there.
#[derive(Clone, Debug)]
pub struct Point {
    pub latitude: f64,
    pub longitude: f64,
    pub count: u64,
    pub refused: bool,
    pub place: String,
}

/// The picture, with the same told in words for those who do not see it.
#[derive(Clone, Debug, Template)]
#[template(path = "house/map.html")]
pub struct Map {
    says: String,
    dots: Vec<Dot>,
}

/// A point on the picture. Numbers are texts already, so that each is written the same way everywhere.
#[derive(Clone, Debug)]
struct Dot {
    class: &'static str,
    x: String,
    y: String,
    radius: String,
    title: String,
}

impl Map {
    /// Draws `points` under a heading such as "Sign-ins of the last 30 days by place".
    /// A point without a place on earth is left out of the picture and named in its words.
    #[must_use]
    pub fn draw(heading: &str, points: &[Point]) -> Self {
        let mut by_count: Vec<&Point> = points.iter().collect();
        by_count.sort_by_key(|point| std::cmp::Reverse(point.count));
        let most = by_count.first().map_or(1, |point| point.count.max(1));
        let dots = by_count.iter().filter(|point| is_on_earth(point)).map(|point| dot(point, most)).collect();
        Self { says: describe(heading, &by_count), dots }
    }

    fn land() -> &'static str {
        LAND
    }
}

impl HtmlSafe for Map {}

fn is_on_earth(point: &Point) -> bool {
    // A comparison with NaN is false, so NaN is on no earth.
    point.latitude.abs() <= 90.0 && point.longitude.abs() <= 180.0
}

fn dot(point: &Point, most: u64) -> Dot {
    let x = (point.longitude + 180.0) * SCALE;
    let y = (NORTH - point.latitude.clamp(SOUTH, NORTH)) * SCALE;
    // The area, not the radius, stands for the count.
    let share = (point.count as f64 / most as f64).sqrt();
    let radius = SMALLEST + (LARGEST - SMALLEST) * share;
    Dot {
        class: if point.refused { "refusal" } else { "at" },
        x: format!("{x:.0}"),
        y: format!("{y:.0}"),
        radius: format!("{radius:.1}"),
        title: told(point),
    }
}

fn describe(heading: &str, by_count: &[&Point]) -> String {
    if by_count.is_empty() {
        return format!("{heading}: none yet");
    }
    let places: Vec<String> = by_count.iter().take(TOLD).map(|point| told(point)).collect();
    let more = by_count.len().saturating_sub(TOLD);
    match more {
        0 => format!("{heading}: {}", places.join(", ")),
        _ => format!("{heading}: {}, and {more} more places", places.join(", ")),
    }
}

fn told(point: &Point) -> String {
    match point.refused {
        true => format!("{} refused from {}", point.count, point.place),
        false => format!("{} {}", point.place, point.count),
    }
}

/// Made by `scripts/make-map.mjs`, which holds the same numbers.
const LAND: &str = include_str!("../assets/land.path.txt");
const SCALE: f64 = 4.0;
const NORTH: f64 = 84.0;
const SOUTH: f64 = -60.0;

/// Radii in the picture's units, of which it is 1440 wide.
const SMALLEST: f64 = 7.0;
const LARGEST: f64 = 19.0;

/// How many places are told in words.
const TOLD: usize = 12;
