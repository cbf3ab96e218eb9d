//! Where the symbolic links of a tree lead, through all links on their way. Nothing is looked up on a disk.

use std::collections::{BTreeMap, VecDeque};

/// Links on the way from one name to what it means, as many as Linux follows.
const MOST: usize = 40;

/// The links of a tree and their targets.
pub(crate) type Links = BTreeMap<Vec<u8>, Vec<u8>>;

/// Whether a link leads out of the tree, or into a repository's own folder.
pub(crate) fn leaves(links: &Links, path: &[u8]) -> bool {
    let mut ahead: VecDeque<Vec<u8>> = path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect();
    let (mut here, mut followed) = (Vec::<Vec<u8>>::new(), 0);
    while let Some(part) = ahead.pop_front() {
        match part.as_slice() {
            b"" | b"." => {}
            b".." => {
                if here.pop().is_none() {
                    return true;
                }
            }
            part if part.eq_ignore_ascii_case(b".git") => return true,
            _ => {
                here.push(part);
                let Some(target) = links.get(&here.join(&b'/')) else { continue };
                followed += 1;
                if target.first() == Some(&b'/') {
                    return true;
                }
                if followed > MOST {
                    // It leads nowhere.
                    return false;
                }
                here.pop();
                for part in target.rsplit(|byte| *byte == b'/') {
                    ahead.push_front(part.to_vec());
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{Links, leaves};

    #[test]
    fn links_are_followed_through_links() {
        let links: Links = [
            ("in", "src/main.rs"),
            ("a/up", "../b"),
            ("a/out", "../../x"),
            ("abs", "/etc/passwd"),
            ("here", "."),
            ("deep", "here/here/.."),
            ("sly", "here/../x"),
            ("loop", "loop"),
            ("git", "x/.GIT/config"),
            ("chain", "a/out"),
            ("dir", "src/one/two"),
            ("fine", "dir/../../y"),
        ]
        .map(|(path, target)| (path.as_bytes().to_vec(), target.as_bytes().to_vec()))
        .into();
        let leaving: Vec<_> = links.keys().filter(|path| leaves(&links, path)).collect();
        let leaving: Vec<_> = leaving.iter().map(|path| String::from_utf8_lossy(path)).collect();
        assert_eq!(leaving, ["a/out", "abs", "chain", "deep", "git", "sly"]);
    }
}
