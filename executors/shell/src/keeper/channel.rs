//! The keeper's ends of the socket for requests and of the pipe for answers.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::wire::{Answer, Inbox, MOST_DESCRIPTORS, Request, encode};

pub(super) struct Channel {
    socket: OwnedFd,
    answers: File,
    inbox: Inbox,
    descriptors: VecDeque<OwnedFd>,
    /// Whether there is a runner, as far as is known.
    pub(super) open: bool,
}

impl Channel {
    pub(super) fn new(socket: OwnedFd, answers: File) -> Self {
        Self { socket, answers, inbox: Inbox::default(), descriptors: VecDeque::new(), open: true }
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The next request, or `None` when the runner is gone.
    pub(super) fn wait(&mut self) -> Option<Request> {
        loop {
            if let Some(request) = self.next() {
                return Some(request);
            }
            if !self.open {
                return None;
            }
            self.receive(RecvFlags::empty());
        }
    }

    /// A request that has come in, after `poll` said that something has.
    pub(super) fn take(&mut self) -> Option<Request> {
        self.receive(RecvFlags::DONTWAIT);
        self.next()
    }

    /// The oldest descriptors that came with requests.
    pub(super) fn descriptors(&mut self, count: usize) -> Vec<OwnedFd> {
        self.descriptors.drain(..count.min(self.descriptors.len())).collect()
    }

    pub(super) fn send(&mut self, answer: &Answer) {
        // Numbers and text: they have a written form.
        let message = encode(answer).unwrap_or_default();
        self.open &= self.answers.write_all(&message).is_ok();
    }

    fn next(&mut self) -> Option<Request> {
        match self.inbox.next()? {
            Ok(request) => Some(request),
            Err(_) => {
                // A runner that cannot be understood is as good as none.
                self.open = false;
                None
            }
        }
    }

    fn receive(&mut self, flags: RecvFlags) {
        let mut bytes = [0; 16 * 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        match recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags) {
            Ok(message) if message.bytes == 0 => self.open = false,
            Ok(message) => {
                for item in control.drain() {
                    if let RecvAncillaryMessage::ScmRights(descriptors) = item {
                        self.descriptors.extend(descriptors);
                    }
                }
                self.inbox.push(bytes.get(..message.bytes).unwrap_or_default());
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.open = false,
        }
    }
}
