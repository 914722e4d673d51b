//! A machine whose processors all have something to do.

use std::thread;

use super::host::Host;
use super::process::{Process, Workspace};

/// Programs that want every processor, twice over, until this value goes.
pub(crate) struct Burners {
    _burners: Vec<Process>,
    _workspace: Workspace,
}

impl Burners {
    pub(crate) fn start() -> Self {
        let count = thread::available_parallelism().map_or(1, usize::from) * 2;
        let (host, workspace) = (Host::new("burner"), Workspace::new());
        let burner = |_| {
            let mut command = host.command("sh");
            command.args(["-c", "while :; do :; done"]);
            Process::start(command, workspace.path("log"))
        };
        Self { _burners: (0..count).map(burner).collect(), _workspace: workspace }
    }
}
