-- SPDX-License-Identifier: MIT
-- Ends well if the module that it is given can be loaded.
os.exit((pcall(require, arg[1])), false)
