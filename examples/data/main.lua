-- Something for index.lua to count. This function is in a comment, and that require "nothing" too.
local circle = require "shapes.circle"
local square = require("shapes.square")
local text = require 'text'

--[==[
function not_counted() return require "not.counted" end
]==]

print(text.line("function", circle(2)), text.line([[
function in a long string]], square(3)))
