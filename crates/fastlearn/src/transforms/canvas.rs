//! Geometry as one affine matrix: transforms act on a canvas, and the canvas knows where each of
//! its points lies in the prepared picture. No pixel is touched here.

/// An affine map of the plane: `(x, y)` to `(a x + b y + c, d x + e y + f)`.
///
/// Points are continuous: the pixel in row 0 and column 0 covers `0..1` and has its centre at
/// `(0.5, 0.5)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine(pub [f64; 6]);

impl Affine {
    /// Moves by `(x, y)`.
    pub fn translation(x: f64, y: f64) -> Affine {
        Affine([1.0, 0.0, x, 0.0, 1.0, y])
    }

    /// Multiplies by `x` and `y`.
    pub fn scaling(x: f64, y: f64) -> Affine {
        Affine([x, 0.0, 0.0, 0.0, y, 0.0])
    }

    /// The map that applies `first` and then `self`.
    pub fn after(&self, first: &Affine) -> Affine {
        let ([a, b, c, d, e, f], [p, q, r, s, t, u]) = (self.0, first.0);
        Affine([
            a * p + b * s,
            a * q + b * t,
            a * r + b * u + c,
            d * p + e * s,
            d * q + e * t,
            d * r + e * u + f,
        ])
    }

    /// The image of a point.
    pub fn apply(&self, x: f64, y: f64) -> (f64, f64) {
        let [a, b, c, d, e, f] = self.0;
        (a * x + b * y + c, d * x + e * y + f)
    }
}

/// A picture in the making: its size so far, and where its points lie in the prepared picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Canvas {
    height: usize,
    width: usize,
    to_source: Affine,
}

impl Canvas {
    /// A canvas of this size that shows the whole source of that size.
    pub fn showing(
        height: usize,
        width: usize,
        source_height: usize,
        source_width: usize,
    ) -> Canvas {
        let down = source_height as f64 / height as f64;
        let across = source_width as f64 / width as f64;
        Canvas { height, width, to_source: Affine::scaling(across, down) }
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Where a point of the canvas lies in the prepared picture.
    pub fn to_source(&self) -> Affine {
        self.to_source
    }

    /// Shows something else on the same canvas: `new_to_old` says which point of the old canvas
    /// comes to a point of the new one.
    pub fn map(&mut self, new_to_old: &Affine) {
        self.to_source = self.to_source.after(new_to_old);
    }

    /// Stretches to another size.
    pub fn resize(&mut self, height: usize, width: usize) {
        let down = self.height as f64 / height as f64;
        let across = self.width as f64 / width as f64;
        self.map(&Affine::scaling(across, down));
        (self.height, self.width) = (height, width);
    }

    /// Adds a rim on all four sides, in pixels.
    pub fn pad(&mut self, rim: usize) {
        self.window(-(rim as f64), -(rim as f64), self.height + 2 * rim, self.width + 2 * rim);
    }

    /// Cuts out a window, which may hang over the edges; `top` and `left` in pixels.
    pub fn window(&mut self, top: f64, left: f64, height: usize, width: usize) {
        self.map(&Affine::translation(left, top));
        (self.height, self.width) = (height, width);
    }

    /// Turns counter-clockwise about the middle pixel, as OpenCV and fastai do: with an even
    /// number of pixels that is half a pixel beside the middle.
    pub fn rotate(&mut self, degrees: f64) {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        let (x, y) = ((self.width / 2) as f64 + 0.5, (self.height / 2) as f64 + 0.5);
        // Rows run downward: going back to the source is a turn clockwise as seen.
        self.about(x, y, &Affine([cosine, -sine, 0.0, sine, cosine, 0.0]));
    }

    /// Enlarges what is shown about the middle, by a factor a side.
    pub fn enlarge(&mut self, down: f64, across: f64) {
        let (x, y) = (self.width as f64 / 2.0, self.height as f64 / 2.0);
        self.about(x, y, &Affine::scaling(1.0 / across, 1.0 / down));
    }

    fn about(&mut self, x: f64, y: f64, map: &Affine) {
        let back = map.after(&Affine::translation(-x, -y));
        self.map(&Affine::translation(x, y).after(&back));
    }

    /// Mirrors left and right.
    pub fn flip(&mut self) {
        self.map(&Affine([-1.0, 0.0, self.width as f64, 0.0, 1.0, 0.0]));
    }

    /// Turns by quarters, counter-clockwise; sides change places with an odd number of them.
    pub fn quarter_turns(&mut self, turns: usize) {
        for _ in 0..turns % 4 {
            self.map(&Affine([0.0, -1.0, self.width as f64, 1.0, 0.0, 0.0]));
            (self.height, self.width) = (self.width, self.height);
        }
    }
}

#[cfg(test)]
#[path = "canvas_tests.rs"]
mod tests;
