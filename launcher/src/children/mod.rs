//! Attending to the programs that an emulated app starts: what the broker has and the launcher has no room for.
