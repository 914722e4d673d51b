# Stands for rules.mk, package.mk and rust-package.mk: enough to run a package's install recipe as
# `make install DESTDIR=... PKG_INSTALL_DIR=...`.
INSTALL_DIR:=install -d -m0755
INSTALL_BIN:=install -m0755
INSTALL_DATA:=install -m0644
INSTALL_CONF:=install -m0600
CP:=cp -fpR
INCLUDE_DIR:=$(TOPDIR)/include
RUST_ARCH_DEPENDS:=@RUST
define RustBinPackage
endef
define BuildPackage
.DEFAULT_GOAL:=install
install:
	$(call Package/$(1)/install,$(DESTDIR))
prepare:
	$(Build/Prepare)
say:
	@echo version $(PKG_VERSION)
	@echo profile $(CARGO_PKG_PROFILE)
	@echo vars $(CARGO_PKG_VARS)
	@echo args $(CARGO_PKG_ARGS)
	@echo features $(RUST_PKG_FEATURES)
	@echo conffiles $(strip $(Package/$(1)/conffiles))
endef
