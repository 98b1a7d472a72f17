//! x
fn main(){ }
