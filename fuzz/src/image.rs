//! Container images in archives, as `unibin pack --oci` is given them.

use std::io;

use oci::{Options, Platform, Silent};

use crate::scratch;

/// An archive of an image: what comes of it is for the platform that was asked for, and can be read.
pub(crate) fn image(input: &[u8]) {
    let path = scratch::file(input);
    let wanted = Platform::parse("linux/arm64").into_iter().collect::<Vec<_>>();
    let options = Options { offline: true, progress: &Silent };
    match oci::open(path.as_os_str(), &wanted, &options) {
        Err(error) => drop((error.to_string(), error.hint())),
        Ok(images) => {
            for image in images {
                assert_eq!(wanted, [image.platform]);
                for layer in image.layers {
                    let length = io::copy(&mut layer.reader(), &mut io::sink());
                    assert_eq!(length.ok(), Some(layer.stored()), "a layer has changed");
                }
            }
        }
    }
}
