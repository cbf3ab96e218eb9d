//! The console: a line where `run` prints what happens. Only the driver's watcher can write there.

use super::letter::Letter;

/// What is printed: who is wanted, and the commands.
pub fn line(letter: &Letter) -> String {
    let mut text = letter.title.clone();
    for command in &letter.commands {
        text += &format!("\n  {command}");
    }
    text
}
