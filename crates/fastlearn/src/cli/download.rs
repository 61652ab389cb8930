//! A download as a person sees it: what, how large and under which licence, then how far it is.

use indicatif::{ProgressBar, ProgressStyle};
use models::weights::{Announcement, DownloadObserver, Receipt};

use super::output::Console;
use super::progress::bar;

/// Announces a download and draws its progress on standard error.
pub struct DownloadProgress {
    console: Console,
    bar: ProgressBar,
}

impl DownloadProgress {
    pub fn new(console: Console) -> DownloadProgress {
        DownloadProgress { console, bar: ProgressBar::hidden() }
    }
}

impl DownloadObserver for DownloadProgress {
    fn started(&mut self, announcement: &Announcement<'_>) {
        self.console.line(format!("downloading {announcement}"));
        self.bar = bar(announcement.bytes.unwrap_or(0));
        let template = "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }

    fn progress(&mut self, received: u64, total: Option<u64>) {
        if let Some(total) = total {
            self.bar.set_length(total);
        }
        self.bar.set_position(received);
    }

    fn finished(&mut self, receipt: &Receipt) {
        self.bar.finish_and_clear();
        self.console.line(format!("downloaded, {}", receipt.verification));
    }
}
