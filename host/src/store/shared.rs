//! Folders that a group of users shares.
//!
//! A folder with the setgid bit and write permission for its group (`chmod g+ws`) is shared: what emhost makes in it can be
//! read, and folders can be written, by the group, whatever the umask of the user who makes it.

use std::fs::{self, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::temporary::{Temporary, parent};

const SETGID: u32 = 0o2000;
const GROUP_WRITE: u32 = 0o0020;

/// Like `create_dir_all`; each folder that is made is shared if the one around it is, from the first moment that others
/// can see it.
pub fn create_folders(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    create_folders(parent(path))?;
    let made = if is_shared(&fs::metadata(parent(path))?) {
        Temporary::new_folder(path)?.publish(path)
    } else {
        fs::create_dir(path)
    };
    match made {
        // Another process was quicker; whether it is a folder shows when it is used.
        Err(e) if matches!(e.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty) => Ok(()),
        made => made,
    }
}

/// Makes an empty file unless it is there, shared if its folder is, from the first moment that others can see it.
pub fn create_file(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let made = if is_shared(&fs::metadata(parent(path))?) {
        // A second name never replaces a file; the temporary name goes with its owner.
        let (temporary, _) = Temporary::new_file(path)?;
        fs::hard_link(temporary.path(), path)
    } else {
        fs::File::create_new(path).map(drop)
    };
    match made {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Opens what was just made to the group, if the folder around it is shared.
pub fn share(path: &Path) -> io::Result<()> {
    if !is_shared(&fs::metadata(parent(path))?) {
        return Ok(());
    }
    let metadata = fs::symlink_metadata(path)?;
    let mode = metadata.permissions().mode() & 0o7777;
    let wanted = mode | if metadata.is_dir() { SETGID | 0o070 } else { 0o060 };
    if wanted == mode { Ok(()) } else { fs::set_permissions(path, Permissions::from_mode(wanted)) }
}

/// Opens everything in `folder` to the group, if it is shared.
pub fn share_all(folder: &Path) -> io::Result<()> {
    if !is_shared(&fs::metadata(folder)?) {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        share(&path)?;
        if fs::symlink_metadata(&path)?.is_dir() {
            share_all(&path)?;
        }
    }
    Ok(())
}

fn is_shared(folder: &Metadata) -> bool {
    folder.permissions().mode() & (SETGID | GROUP_WRITE) == SETGID | GROUP_WRITE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it exists").permissions().mode() & 0o7777
    }

    #[test]
    fn what_is_made_in_a_shared_folder_is_open_to_the_group_and_elsewhere_the_umask_holds() {
        let root = tempfile::tempdir().expect("a temporary folder");
        for (bits, group) in [(0o2770, true), (0o0770, false), (0o2750, false)] {
            let folder = root.path().join(format!("{bits:o}"));
            fs::create_dir(&folder).expect("a fresh name");
            fs::set_permissions(&folder, Permissions::from_mode(bits)).expect("its owner may");
            create_folders(&folder.join("a/b")).expect("the folder is writable");
            let file = folder.join("a/b/file");
            fs::write(&file, "").expect("the folder is writable");
            fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("its owner may");
            share_all(&folder).expect("all is ours");
            assert_eq!(mode(&folder.join("a/b")) & 0o2070 == 0o2070, group, "{bits:o}");
            assert_eq!(mode(&file), if group { 0o660 } else { 0o600 }, "{bits:o}");
        }
    }
}
