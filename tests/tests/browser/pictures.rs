//! A person gives themselves a picture, with the keyboard alone.

use std::io::Cursor;
use std::path::PathBuf;

use chancery_tests::browser::{Browser, Page};
use chancery_tests::node::Person;
use chancery_tests::server::Server;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use reqwest::Method;
use serde_json::json;

/// A file that goes with the test.
struct File(PathBuf);

impl File {
    fn with(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("{}-{name}", uuid::Uuid::new_v4()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

/// Red on the left, green in the middle, blue on the right, larger than the server takes.
fn panorama() -> Vec<u8> {
    let noise = |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) as u8 % 40;
    let stripe = |x: u32, y: u32| match x / 2_400 {
        0 => Rgb([200 + noise(x, y), 0, 0]),
        1 => Rgb([0, 200 + noise(x, y), 0]),
        _ => Rgb([0, 0, 200 + noise(x, y)]),
    };
    let mut file = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(RgbImage::from_fn(7_200, 2_400, stripe)).write_to(&mut file, ImageFormat::Jpeg).unwrap();
    file.into_inner()
}

async fn at_home(page: &Page, server: &Server, person: &Person) {
    page.goto(&format!("{}/help", server.issuer())).await;
    page.set_cookies(server.issuer(), &person.visitor.cookies).await;
    page.goto(&format!("{}/account", server.issuer())).await;
}

/// The pixels of the picture in the form, at its edges and in the middle, as strongest channel.
const HUES: &str = "(() => {
    const image = document.querySelector('.picture img'), canvas = document.createElement('canvas');
    canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
    const context = canvas.getContext('2d'); context.drawImage(image, 0, 0);
    const at = (x) => { const d = [...context.getImageData(x, 150, 1, 1).data].slice(0, 3); return 'rgb'[d.indexOf(Math.max(...d))]; };
    return [canvas.width, at(10), at(150), at(290)].join(' ');
})()";

#[tokio::test]
async fn a_photograph_of_any_size_is_taken_and_taken_away_again_with_the_keyboard() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    let mut ada = server.person("ada").await;
    let panorama = panorama();
    let as_it_is = ada.visitor.upload(Method::PUT, "/api/users/me/profile-picture", "x.jpg", &panorama).await;
    assert_eq!(as_it_is.status, 413, "the page makes it small first");
    let photograph = File::with("photograph.jpg", &panorama);
    at_home(&page, &server, &ada).await;

    page.tab_to("#file").await;
    page.choose_file("#file", &photograph.0).await;
    page.tab_to("#save-picture").await;
    page.press("Enter").await;
    page.wait_for(".picture img").await;
    page.until("the picture to load", "document.querySelector('.picture img').complete").await;

    assert_eq!(page.eval(HUES).await, "300 g g g");
    assert_eq!(page.axe().await, Vec::<String>::new());
    page.tab_to("#remove-picture").await;
    page.press("Enter").await;
    page.until("the initial to come back", "document.querySelector('.picture .initial') !== null").await;
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_no_picture_is_said_at_the_field() {
    let (server, browser) = (Server::start().await, Browser::launch().await);
    let page = browser.page().await;
    let ada = server.person("ada").await;
    let page_file = File::with("picture.png", b"<!doctype html><script>alert(1)</script>");
    at_home(&page, &server, &ada).await;

    page.choose_file("#file", &page_file.0).await;
    page.click("#save-picture").await;
    page.wait_for("#file-wrong").await;

    assert!(page.text("#file-wrong").await.contains("This is no picture that can be read"));
    assert_eq!(page.eval("document.querySelector('#file').getAttribute('aria-invalid')").await, json!("true"));
    assert_eq!(page.axe().await, Vec::<String>::new());
    assert_eq!(page.complaints(), Vec::<String>::new());
}
