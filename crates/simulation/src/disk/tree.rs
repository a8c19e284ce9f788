//! Directories and files by their paths.

use std::io::{self, ErrorKind};

use wellspring_testkit::random::Random;

use super::content::Content;
use super::names::{Directory, Inode};
use super::survival::Survival;

#[derive(Clone, Debug)]
enum Node {
    File(Content),
    Directory(Directory),
}

/// Everything on a disk. What is removed stays here for those who have it open, until the next
/// crash.
#[derive(Clone, Debug)]
pub(super) struct Tree(Vec<Node>);

const ROOT: Inode = 0;

impl Default for Tree {
    fn default() -> Tree {
        Tree(vec![Node::Directory(Directory::default())])
    }
}

fn missing() -> io::Error {
    ErrorKind::NotFound.into()
}

/// The directory and the last name of a path.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

impl Tree {
    fn find(&self, path: &str) -> Option<Inode> {
        let mut names = path.split('/').filter(|name| !name.is_empty());
        names.try_fold(ROOT, |inode, name| match &self.0[inode] {
            Node::Directory(directory) => directory.get(name),
            Node::File(_) => None,
        })
    }

    fn directory(&mut self, path: &str) -> io::Result<&mut Directory> {
        let inode = self.find(path).ok_or_else(missing)?;
        match &mut self.0[inode] {
            Node::Directory(directory) => Ok(directory),
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn is_directory(&self, path: &str) -> bool {
        let found = self.find(path).map(|inode| &self.0[inode]);
        matches!(found, Some(Node::Directory(_)))
    }

    fn add(&mut self, node: Node) -> Inode {
        self.0.push(node);
        self.0.len() - 1
    }

    pub(super) fn create_directory(&mut self, path: &str) -> io::Result<()> {
        if self.find(path).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let (above, name) = split(path);
        self.directory(above)?;
        let inode = self.add(Node::Directory(Directory::default()));
        self.directory(above)?.set(name, inode);
        Ok(())
    }

    pub(super) fn create_directories(&mut self, path: &str) -> io::Result<()> {
        if self.is_directory(path) {
            return Ok(());
        }
        self.create_directories(split(path).0)?;
        self.create_directory(path)
    }

    pub(super) fn list(&mut self, path: &str) -> io::Result<Vec<String>> {
        let names = self.directory(path)?.names();
        Ok(names.map(|(name, _)| name.clone()).collect())
    }

    pub(super) fn open(&self, path: &str) -> io::Result<Inode> {
        let inode = self.find(path).ok_or_else(missing)?;
        match &self.0[inode] {
            Node::File(_) => Ok(inode),
            Node::Directory(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    /// An empty file, in place of the one that may be there.
    pub(super) fn create(&mut self, path: &str) -> io::Result<Inode> {
        if let Ok(inode) = self.open(path) {
            self.file(inode)?.truncate(0);
            return Ok(inode);
        }
        let (above, name) = split(path);
        self.directory(above)?;
        let inode = self.add(Node::File(Content::default()));
        self.directory(above)?.set(name, inode);
        Ok(inode)
    }

    pub(super) fn file(&mut self, inode: Inode) -> io::Result<&mut Content> {
        match self.0.get_mut(inode) {
            Some(Node::File(content)) => Ok(content),
            _ => Err(missing()),
        }
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let ((above, old), (same, new)) = (split(from), split(to));
        if above != same {
            return Err(ErrorKind::CrossesDevices.into());
        }
        let directory = self.directory(above)?;
        directory.get(old).ok_or_else(missing)?;
        directory.rename(old, new);
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: &str) -> io::Result<()> {
        self.open(path)?;
        let (above, name) = split(path);
        self.directory(above)?.remove(name);
        Ok(())
    }

    /// Removes at most `names_max` names, the directory's own last; whether that was all.
    pub(super) fn remove_directory(&mut self, path: &str, names_max: usize) -> io::Result<bool> {
        let names = self.list(path)?;
        for name in names.iter().take(names_max) {
            let below = format!("{path}/{name}");
            if self.is_directory(&below) {
                self.remove_directory(&below, usize::MAX)?;
            } else {
                self.remove_file(&below)?;
            }
        }
        let is_all = names.len() < names_max;
        if is_all {
            let (above, name) = split(path);
            self.directory(above)?.remove(name);
        }
        Ok(is_all)
    }

    pub(super) fn sync_directory(&mut self, path: &str) -> io::Result<()> {
        self.directory(path)?.sync();
        Ok(())
    }

    pub(super) fn power_cut(&mut self, survival: Survival, random: &mut Random) {
        for node in &mut self.0 {
            match node {
                Node::File(content) => content.power_cut(survival, random),
                Node::Directory(directory) => directory.power_cut(survival, random),
            }
        }
        // What has no name any more is gone.
        let mut kept = Tree::default();
        let root = self.copy(ROOT, &mut kept);
        debug_assert_eq!(root, 1, "the copy comes behind the empty root");
        kept.0.swap(ROOT, root);
        *self = kept;
    }

    /// Copies a node and what is below it, with everything durable.
    fn copy(&self, inode: Inode, to: &mut Tree) -> Inode {
        match &self.0[inode] {
            Node::File(content) => to.add(Node::File(Content::of(content.bytes().to_vec()))),
            Node::Directory(directory) => {
                let place = to.add(Node::Directory(Directory::default()));
                let mut copied = Directory::default();
                for (name, below) in directory.names() {
                    let below = self.copy(below, to);
                    copied.set(name, below);
                }
                copied.sync();
                to.0[place] = Node::Directory(copied);
                place
            }
        }
    }

    /// Puts back a file that was removed.
    pub(super) fn restore(&mut self, path: &str, bytes: &[u8]) {
        if self.find(path).is_none() {
            let inode = self.add(Node::File(Content::of(bytes.to_vec())));
            let (above, name) = split(path);
            if let Ok(directory) = self.directory(above) {
                directory.set(name, inode);
            }
        }
    }
}
