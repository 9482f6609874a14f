use super::{Shape, UserAgent};

fn says(text: &str, words: &str, shape: Shape) {
    let agent = UserAgent::read(text);

    assert_eq!((agent.to_string().as_str(), agent.shape), (words, shape), "{text}");
}

#[test]
fn browsers_on_computers_are_named() {
    says("Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox on Linux", Shape::Computer);
    says(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
        "Chrome on Windows",
        Shape::Computer,
    );
    says(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.3537.57",
        "Edge on Windows",
        Shape::Computer,
    );
    says(
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
        "Safari on macOS",
        Shape::Computer,
    );
    says(
        "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        "Chrome on ChromeOS",
        Shape::Computer,
    );
    says(
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 OPR/124.0.0.0",
        "Opera on macOS",
        Shape::Computer,
    );
    says("Opera/9.80 (Windows NT 6.1; U; en) Presto/2.9.168 Version/11.52", "Opera on Windows", Shape::Computer);
    says(
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36",
        "Chrome on Linux",
        Shape::Computer,
    );
}

#[test]
fn browsers_on_phones_and_tablets_are_named() {
    says(
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
        "Safari on iOS",
        Shape::Phone,
    );
    says(
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/141.0.7390.26 Mobile/15E148 Safari/604.1",
        "Chrome on iOS",
        Shape::Phone,
    );
    says(
        "Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/143.0 Mobile/15E148 Safari/605.1.15",
        "Firefox on iPadOS",
        Shape::Tablet,
    );
    says(
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/141 Version/11.1.1 Safari/605.1.15",
        "Chrome on iPadOS",
        Shape::Tablet,
    );
    says("Mozilla/5.0 (Android 15; Mobile; rv:143.0) Gecko/143.0 Firefox/143.0", "Firefox on Android", Shape::Phone);
    says(
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
        "Samsung Internet on Android",
        Shape::Phone,
    );
    says(
        "Mozilla/5.0 (Linux; Android 13; SM-X906C) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        "Chrome on Android",
        Shape::Tablet,
    );
}

#[test]
fn pages_inside_apps_are_not_called_browsers() {
    says(
        "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UQ1A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/120.0.6099.230 Mobile Safari/537.36",
        "An app on Android",
        Shape::Phone,
    );
    says(
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
        "An app on iOS",
        Shape::Phone,
    );
}

#[test]
fn programs_robots_and_nonsense_are_an_app() {
    let programs = [
        "curl/8.9.1",
        "python-requests/2.32.3",
        "Go-http-client/2.0",
        "okhttp/4.12.0",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0",
        "",
        "\u{202e}<script>alert(1)</script>",
    ];
    for program in programs {
        says(program, "An app", Shape::Program);
    }
}
