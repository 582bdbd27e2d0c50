"""Every version of PHP and WordPress that the plugin has to run on and that can be had."""
