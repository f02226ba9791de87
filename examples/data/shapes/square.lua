local text = require "text" ; local optional = pcall(require, "never.found")
return function(side) return text and optional == nil or side ^ 2 end