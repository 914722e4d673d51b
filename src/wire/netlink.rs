//! Netlink framing: message headers and attributes (netlink(7), linux/netlink.h), shared by every netlink
//! family that vipd speaks.
