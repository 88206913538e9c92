//! The support set: nearest examples, saving, and reading what anyone may have written.
#![allow(clippy::unwrap_used, clippy::panic)]

use flamingo_runtime::{SupportEntry, SupportSet, SupportSetError};

fn entry(name: &str) -> SupportEntry {
    SupportEntry {
        image: format!("{name}.jpg"),
        question: String::new(),
        answer: format!("a {name}"),
    }
}

/// Unit vectors at 0, 90, 45 and 180 degrees.
fn set() -> SupportSet {
    let mut set = SupportSet::new(2);
    for (name, degrees) in [
        ("dog", 0.0f32),
        ("cat", 90.0),
        ("wolf", 45.0),
        ("car", 180.0),
    ] {
        let angle = degrees.to_radians();
        set.add(&[angle.cos(), angle.sin()], entry(name)).unwrap();
    }
    set
}

#[test]
fn the_most_similar_come_last() {
    let set = set();
    assert_eq!(set.nearest(&[1.0, 0.1], 3).unwrap(), [1, 2, 0]);
    assert_eq!(set.nearest(&[-1.0, 0.0], 1).unwrap(), [3]);
    assert_eq!(set.nearest(&[1.0, 0.0], 9).unwrap(), [3, 1, 2, 0]);
    assert_eq!(set.nearest(&[1.0, 0.0], 0).unwrap(), [0usize; 0]);
}

#[test]
fn embeddings_of_no_elements_are_all_as_near() {
    let mut set = SupportSet::new(0);
    for name in ["a", "b", "c"] {
        set.add(&[], entry(name)).unwrap();
    }
    assert_eq!(set.nearest(&[], 2), Ok(vec![1, 0]));
}

#[test]
fn an_embedding_of_another_model_is_refused() {
    let error = SupportSetError::Width {
        found: 3,
        expected: 2,
    };
    assert_eq!(set().nearest(&[0.0; 3], 1).unwrap_err(), error);
    assert_eq!(set().add(&[0.0; 3], entry("dog")).unwrap_err(), error);
}

#[test]
fn a_saved_set_comes_back() {
    let set = set();
    assert_eq!(SupportSet::from_bytes(&set.to_bytes()).unwrap(), set);
    let empty = SupportSet::new(7);
    assert_eq!(SupportSet::from_bytes(&empty.to_bytes()).unwrap(), empty);
}

#[test]
fn no_bytes_break_the_reader() {
    let good = set().to_bytes();
    for length in 0..good.len() {
        assert!(SupportSet::from_bytes(&good[..length]).is_err(), "{length}");
    }
    let mut longer = good.clone();
    longer.push(0);
    assert!(SupportSet::from_bytes(&longer).is_err());
    // Every byte changed in turn: an error or another set, never a panic.
    for place in 0..good.len() {
        for value in [0x00, 0x7f, 0xff] {
            let mut bad = good.clone();
            bad[place] = value;
            let _ = SupportSet::from_bytes(&bad);
        }
    }
    let mut infinite = good;
    infinite[16..20].copy_from_slice(&f32::INFINITY.to_le_bytes());
    assert_eq!(
        SupportSet::from_bytes(&infinite).unwrap_err(),
        SupportSetError::Malformed("an embedding is not finite")
    );
}
