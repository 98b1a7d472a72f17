//! x
fn main(){  }
